#!/usr/bin/env perl
# SPDX-License-Identifier: MIT
# The ESP32-S3 on its own: points along the fronts of two models through server, agent, OpenOCD and JTAG; then by hand
# what a lab does with it: flash, power off and on, replace the program alone, reset, and a debugger that is killed.
use strict;
use warnings;
use lib 'tests/e2e';
use Farm;
use Fcntl;
use JSON::PP ();
use POSIX qw(:termios_h);
use Test::More;
use Time::HiRes qw(time sleep);

$Farm::BOARD = 'esp32s3-devkit';
my $ELF    = "$Farm::FIRMWARE/$Farm::BOARD/firmware.elf";
my $CONFIG = "firmware/boards/$Farm::BOARD/openocd.cfg";
plan skip_all => "$ELF is not built (gcc-xtensa-lx106)" unless -e $ELF;

my $farm = Farm->new;
ok $farm->start_server, 'the server starts' or BAIL_OUT('no server');
ok $farm->start_agent('host-1', virtual => "$Farm::BOARD:2"), 'the agent starts with two boards' or BAIL_OUT('no agent');
my %campaign;
for my $name ('tiny_mbv2', 'dscnn_kws') {
    my $model = $farm->upload("$Farm::MODELS/$name.tflite", $name);
    ok $model, "$name is imported" or next;
    my @fits  = grep { $_->{fits} } @{ $farm->get("/models/$model->{id}/front?board=$Farm::BOARD")->{points} };
    my $plain = '0-' . ($model->{layers} - 1) . ':plain';
    my %specs = map { $_ => 1 } $plain, map { $fits[$_ * $#fits / 5]{spec} } 0 .. 5;
    $campaign{$name} = $farm->submit(model => $model->{id}, specs => [sort keys %specs], repeats => 2, name => $name);
    ok $campaign{$name}, "$name: " . keys(%specs) . ' configurations are queued';
}
for my $name (sort grep { $campaign{$_} } keys %campaign) {
    my $c = $farm->wait_done($campaign{$name}{id}, 300);
    ok $c, "$name: the campaign completes" or next;
    is $c->{jobs}{failed}, 0, "$name: no job failed"
        or diag map { "$_->{spec}: $_->{error}{type} $_->{error}{detail}\n" } grep { $_->{error} } $farm->list("/campaigns/$c->{id}/jobs");
    for my $r ($farm->list("/campaigns/$c->{id}/results")) {
        my $what = "$name in $r->{arena_bytes} bytes";
        is $r->{output}, 'match', "$what: the output is the reference's";
        is $r->{arena_bytes}, $r->{predicted_arena_bytes}, "$what: RAM as predicted";
        ok $r->{emulated} && $r->{timing} =~ /^lx7-table/ && $r->{clock_hz} == 240e6, "$what: emulated, lx7-table, 240 MHz";
        note sprintf '%s: %d instructions, %d cycles, %.2f ms', $what, $r->{instructions}, $r->{cycles}{median}, $r->{ms};
    }
}
is $farm->stop('host-1'), 0, 'the agent stops';
is $farm->stop('server'), 0, 'the server stops';

# ---- by hand ---------------------------------------------------------------------------------------

sub open_tty { my ($path) = @_;
    sysopen my $tty, $path, O_RDWR | O_NOCTTY | O_NONBLOCK or return;
    my $t = POSIX::Termios->new;
    $t->getattr(fileno $tty);
    $t->setlflag(0);
    $t->setiflag(0);
    $t->setoflag(0);
    $t->setattr(fileno $tty, TCSANOW);
    return $tty;
}

# The next record of that name, decoded; nothing when it does not come.
my $heard = '';
sub record { my ($tty, $name) = @_;
    my $end = time + 10;
    while (time < $end) {
        my $n = sysread $tty, $heard, 4096, length $heard;
        while ($heard =~ s/^(.*)\n//) {
            my $line = $1;
            return JSON::PP->new->decode($1) if $line =~ /^\@\Q$name\E (\{.*\})\*[0-9A-F]{4}\r?$/;
        }
        sleep 0.01 if !$n;
    }
    return;
}

sub openocd { my ($tty, $command) = @_;
    return system("openocd -l $farm->{dir}/openocd.log -c 'gdb_port disabled; telnet_port disabled; tcl_port disabled'"
          . " -c 'set FARM_JTAG_TTY $tty' -f $CONFIG -c 'init; $command; shutdown' 2>/dev/null");
}

sub program { my ($name, $bytes) = @_;
    open my $f, '>:raw', "$farm->{dir}/$name" or die "$name: $!";
    print $f $bytes;
    close $f;
    return "$farm->{dir}/$name";
}

my $flash = "$farm->{dir}/s3.flash";
my $noise = program('noise.bin', join '', map { chr($_ * 7 & 255) } 1 .. 50_001);
my $said  = $farm->start_vboard('s3', '--state', $flash);
ok $said && $said->{jtag_tty}, 'a virtual board that keeps its flash';
my $tty = open_tty("$farm->{dir}/s3.tty");
isnt openocd($said->{jtag_tty}, 'farm_flash /nonexistent.elf /nonexistent.bin'), 0, 'a missing file is an error';
is openocd($said->{jtag_tty}, "farm_flash {$ELF} {$noise}"), 0, 'OpenOCD writes and verifies firmware and program';
my $hello = record($tty, 'hello');
ok $hello && $hello->{board} eq $Farm::BOARD && $hello->{program} eq 'none', 'the firmware says hello and knows no program';
is $farm->stop('s3'), 0, 'power off';
is -s $flash, 8 << 20, 'the flash is in its file';
$said = $farm->start_vboard('s3', '--state', $flash);
$tty = open_tty("$farm->{dir}/s3.tty");
$heard = '';
my $again = record($tty, 'hello');
is $again && $again->{firmware}, $hello->{firmware}, 'power on: the same firmware boots from flash';
is openocd($said->{jtag_tty}, "halt; verify_image {$ELF}; verify_image {$noise} 0x3c040000 bin; farm_reset"), 0,
    'both are still there';
ok record($tty, 'hello'), 'a reset through the debugger boots again';
my $other = program('other.bin', 'x' x 3001);
is openocd($said->{jtag_tty}, "farm_flash_program {$other}"), 0, 'the program alone is replaced';
ok record($tty, 'hello'), 'and the board boots';
isnt openocd($said->{jtag_tty}, "halt; verify_image {$noise} 0x3c040000 bin"), 0, 'a wrong program does not verify';

# A debugger that is killed in the middle leaves a board that the next one can flash.
my $big = program('big.bin', 'y' x 2_000_000);
defined(my $pid = fork) or die "fork: $!";
if ($pid == 0) {
    open STDERR, '>', '/dev/null';
    exec 'openocd', '-c', 'gdb_port disabled; telnet_port disabled; tcl_port disabled', '-c', "set FARM_JTAG_TTY $said->{jtag_tty}",
        '-f', $CONFIG, '-c', "init; farm_flash {$ELF} {$big}; shutdown" or POSIX::_exit(127);
}
sleep 0.4;
kill 'KILL', $pid;
waitpid $pid, 0;
is openocd($said->{jtag_tty}, "farm_flash {$ELF} {$big}"), 0, 'the next one flashes, 2 MB';
ok record($tty, 'hello'), 'and the board boots';
is $farm->stop('s3'), 0, 'the board stops';
isnt openocd($said->{jtag_tty}, 'farm_reset'), 0, 'a board that is gone is an error';
is_deeply [$farm->processes], [], 'no process is left';
done_testing;
