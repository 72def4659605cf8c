#!/usr/bin/env perl
# SPDX-License-Identifier: MIT
# A second opinion on the virtual HiFive1 Rev B: QEMU's sifive_e machine runs the same image and the same programs, and
# says the same of itself, the same output, the same RAM, and the same number of instructions. QEMU with -icount counts
# an instruction as a cycle, so its @run cycles stand against the virtual board's instructions.
# Needs qemu-system-riscv32 (Debian: qemu-system-misc; tools/install has it). Without it the test is skipped, but fails
# where CI is set.
use strict;
use warnings;
use lib 'tests/e2e';
use Farm;
use IPC::Open2;
use IO::Select;
use JSON::PP ();
use POSIX ();
use Test::More;
use Time::HiRes qw(time);

my $ID = 'hifive1b';
$Farm::BOARD = $ID;
if (system('qemu-system-riscv32 --version >/dev/null 2>&1') != 0) {
    plan skip_all => 'no qemu-system-riscv32' unless $ENV{CI};
    fail 'qemu-system-riscv32 is there (Debian package qemu-system-misc)';
    done_testing;
    exit;
}
my ($elf, $bin) = map { "$Farm::FIRMWARE/$ID/firmware.$_" } qw(elf bin);
plan skip_all => "no $elf: make firmware" unless -e $elf;

my $FLASH_BYTES = 4 << 20;
my ($IMAGE, $PROGRAM, $FLASH) = (0x10000, 0x40000, 0x20000000);

sub crc16 { my ($text) = @_;
    my $crc = 0xffff;
    for my $byte (unpack 'C*', $text) {
        $crc ^= $byte << 8;
        $crc = $crc & 0x8000 ? ($crc << 1 ^ 0x1021) & 0xffff : $crc << 1 for 1 .. 8;
    }
    return sprintf '%04X', $crc;
}

sub slurp { my ($path) = @_;
    open my $f, '<:raw', $path or die "$path: $!";
    local $/;
    return scalar <$f>;
}

# Reads records until one named $last; {name => [records]}.
sub hear { my ($from, $last, $limit_s) = @_;
    my ($text, $end, %got) = ('', time + $limit_s);
    my $select = IO::Select->new($from);
    while (time < $end) {
        next unless $select->can_read(0.5);
        sysread $from, $text, 4096, length $text or last;
        while ($text =~ s/^([^\n]*)\n//) {
            my ($name, $json, $crc) = $1 =~ /^\@(\w+) (\{.*\})\*([0-9A-F]{4})\r?$/ or next;
            fail "a line with a bad CRC: $name" if crc16("\@$name $json") ne $crc;
            push @{ $got{$name} }, JSON::PP->new->decode($json);
            return \%got if $name eq $last || $name eq 'fault';
        }
    }
    return \%got;
}

# What a board at both ends of ($in, $out) says to hello and to one run.
sub ask { my ($in, $out) = @_;
    my %said;
    for my $c (['hello', 'hello'], ['run {"repeats":1}', 'done']) {
        my ($command, $last) = @$c;
        syswrite $in, "$command*" . crc16($command) . "\n";
        my $got = hear($out, $last, 60);
        $said{$_} //= $got->{$_}[-1] for keys %$got;
    }
    return \%said;
}

my $farm = Farm->new;

# QEMU's loader takes no file larger than the machine's RAM: the program comes in pieces.
sub loaders { my ($program) = @_;
    my ($bytes, $piece, @options) = (slurp($program), 16_000);
    for (my $at = 0; $at < length $bytes; $at += $piece) {
        open my $f, '>:raw', "$program.$at" or die "$program.$at: $!";
        print $f substr $bytes, $at, $piece;
        close $f;
        push @options, '-device', sprintf 'loader,file=%s,addr=0x%x,force-raw=on', "$program.$at", $FLASH + $PROGRAM + $at;
    }
    return @options;
}

sub on_qemu { my ($program) = @_;
    my $pid = open2(my $out, my $in, 'qemu-system-riscv32', '-M', 'sifive_e,revb=true', '-icount', 'shift=0',
        '-display', 'none', '-monitor', 'none', '-serial', 'stdio', '-kernel', $elf, loaders($program));
    hear($out, 'hello', 20);
    my $said = ask($in, $out);
    kill 'KILL', $pid;
    waitpid $pid, 0;
    return $said;
}

sub on_vboard { my ($name, $program) = @_;
    my $state = "$farm->{dir}/$name.flash";
    my $flash = "\xff" x $FLASH_BYTES;
    substr $flash, $IMAGE, length(slurp($bin)), slurp($bin);
    substr $flash, $PROGRAM, length(slurp($program)), slurp($program);
    open my $f, '>:raw', $state or die "$state: $!";
    print $f $flash;
    close $f;
    my $ready = $farm->start_vboard($name, '--state', $state) or return {};
    sysopen my $tty, $ready->{tty}, POSIX::O_RDWR | POSIX::O_NOCTTY or die "$ready->{tty}: $!";
    system 'stty', '-F', $ready->{tty}, 'raw', '-echo';
    hear($tty, 'hello', 10);    # a command that comes while the board still talks is lost, as on the real one
    my $said = ask($tty, $tty);
    is $farm->stop($name), 0, "  the virtual board of $name stops";
    return $said;
}

ok $farm->start_server, 'the server starts' or BAIL_OUT('no server');
my %extra;
for my $name (qw(tiny_mbv2 dscnn_kws)) {
    my $model = $farm->upload("$Farm::MODELS/$name.tflite", $name) or do { fail "$name is imported"; next };
    my ($least) = grep { $_->{fits} } @{ $farm->get("/models/$model->{id}/front?board=$ID")->{points} };
    my $c = $farm->submit(model => $model->{id}, specs => [$least->{spec}], repeats => 1) or do { fail "$name is queued"; next };
    my ($job) = $farm->list("/campaigns/$c->{id}/jobs");
    my (undef, $status, $reply) = $farm->call('GET', "/jobs/$job->{id}/program");
    is $status, 200, "$name: the program of a job" or next;
    my $program = "$farm->{dir}/$name.bin";
    open my $f, '>:raw', $program or die "$program: $!";
    print $f $reply->{content};
    close $f;

    my ($qemu, $ours) = (on_qemu($program), on_vboard($name, $program));
    ok $qemu->{done} && $ours->{done}, "$name runs on both" or diag explain [$qemu, $ours];
    my %hello = map { $_ => 1 } keys %{ $qemu->{hello} };
    is delete $hello{emulated} && !$qemu->{hello}{emulated} && $ours->{hello}{emulated}, 1,
        '  only the virtual board says that it is one';
    is_deeply { map { $_ => $ours->{hello}{$_} } keys %hello }, { map { $_ => $qemu->{hello}{$_} } keys %hello },
        '  the same hello: ' . join ' ', sort keys %hello;
    is_deeply $ours->{out}, $qemu->{out}, '  the same output';
    is_deeply $ours->{mem}, $qemu->{mem}, '  the same RAM and flash';
    $extra{$name} = $ours->{run}{instructions} - $qemu->{run}{cycles};
    note "$name: $ours->{run}{instructions} instructions here, $qemu->{run}{cycles} in QEMU";
}
# The virtual board's count begins a few instructions earlier and ends later: always the same ones.
is $extra{tiny_mbv2}, $extra{dscnn_kws}, 'the same instructions, but for what lies between the two counters';
cmp_ok abs($extra{tiny_mbv2} // 1e9), '<', 100, "  which are $extra{tiny_mbv2}";
is $farm->stop('server'), 0, 'the server stops';
is_deeply [$farm->processes], [], 'no process is left';
done_testing;
