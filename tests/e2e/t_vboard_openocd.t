#!/usr/bin/perl
# SPDX-License-Identifier: MIT
# The virtual board from outside: OpenOCD flashes, verifies and resets it through the board folder's own openocd.cfg, the
# firmware answers on its serial line, and nothing that a client or a signal does leaves it unusable.
# Needs `make host firmware` and openocd. FARM_BIN and FARM_FIRMWARE name other folders than build/host/bin and
# build/firmware.
use strict;
use warnings;
use lib 'tests/lib';
use Ending;
use Fcntl;
use File::Temp qw(tempdir);
use IO::Select;
use IO::Socket::INET;
use JSON::PP;
use POSIX qw(:sys_wait_h :termios_h setsid);
use Time::HiRes qw(time sleep);

my $bin = ($ENV{FARM_BIN} // 'build/host/bin') . '/farm-vboard';
my $board = 'nucleo-f767zi';
my $firmware = ($ENV{FARM_FIRMWARE} // 'build/firmware') . "/$board/firmware.elf";
my $config = "firmware/boards/$board/openocd.cfg";
my $dir = tempdir('farm-vboard-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my ($count, $failed) = (0, 0);

$| = 1;
$SIG{PIPE} = 'IGNORE';
if (!grep { -x "$_/openocd" } split /:/, $ENV{PATH}) {
    print "1..0 # SKIP openocd is not installed\n";
    exit 0;
}
for ($bin, $firmware) {
    next if -e $_;
    print "1..0 # SKIP $_ is not built\n";
    exit 0;
}

sub ok {
    my ($good, $name) = @_;
    $count++;
    print(($good ? 'ok' : 'not ok') . " $count - $name\n");
    $failed++ if !$good;
    print "#   at line " . (caller)[2] . "\n" if !$good;
    return $good;
}

sub contents {
    my ($path) = @_;
    open my $f, '<:raw', $path or return '';
    local $/;
    return scalar <$f>;
}

# Starts a board; returns {pid, port, tty, link} or nothing when it does not get ready.
sub start {
    my ($name, @options) = @_;
    my $link = "$dir/$name.tty";
    my $pid = open my $out, '-|';
    die "fork: $!" if !defined $pid;
    if ($pid == 0) {
        open STDERR, '>>', "$dir/$name.log";
        exec $bin, '--board', $board, '--boards', 'firmware/boards', '--serial', 'VB0001', '--stlink-port', '0',
            '--tty-link', $link, '--state', "$dir/flash.img", @options
            or POSIX::_exit(127);
    }
    my $line = IO::Select->new($out)->can_read(10) ? <$out> : undef;
    if (!defined $line) {
        print map { "# $name: $_\n" } split /\n/, contents("$dir/$name.log");
        return;
    }
    my $ready = decode_json($line);
    return {pid => $pid, port => $ready->{stlink_port}, tty => $ready->{tty}, link => $link, ready => $ready,
            out => $out};
}

sub stop {
    my ($b, $signal) = @_;
    kill $signal // 'TERM', $b->{pid};
    my $end = time + 5;
    while (time < $end) {
        return $? if waitpid($b->{pid}, WNOHANG) == $b->{pid};
        sleep 0.01;
    }
    kill 'KILL', $b->{pid};
    waitpid $b->{pid}, 0;
    return -1;
}

# Starts OpenOCD on the board; returns its pid.
sub openocd_start {
    my ($b, $serial, $commands) = @_;
    my $pid = fork // die "fork: $!";
    return $pid if $pid;
    open STDOUT, '>', "$dir/openocd.log";
    open STDERR, '>&', \*STDOUT;
    exec 'openocd', '-c', 'gdb_port disabled; telnet_port disabled; tcl_port disabled',
        '-c', "set FARM_STLINK_PORT $b->{port}", '-c', "set FARM_SERIAL $serial", '-f', $config, '-c', $commands
        or POSIX::_exit(127);
}

# Runs OpenOCD to its end; exit code, or -1 when it had to be killed.
sub openocd {
    my ($b, $commands, %o) = @_;
    my $pid = openocd_start($b, $o{serial} // 'VB0001', $commands);
    my $end = time + ($o{seconds} // 30);
    while (time < $end) {
        return $? >> 8 if waitpid($pid, WNOHANG) == $pid;
        sleep 0.01;
    }
    kill 'KILL', $pid;
    waitpid $pid, 0;
    return -1;
}

sub serial_open {
    my ($path) = @_;
    sysopen my $fh, $path, O_RDWR | O_NOCTTY | O_NONBLOCK or die "$path: $!";
    tcflush(fileno $fh, TCIFLUSH);
    return $fh;
}

# Reads until the pattern is there or the time is over.
sub serial_read {
    my ($fh, $pattern, $seconds) = @_;
    my ($text, $end) = ('', time + $seconds);
    while (time < $end && $text !~ $pattern) {
        next if !IO::Select->new($fh)->can_read(0.05);
        sysread $fh, $text, 4096, length $text;
    }
    return $text;
}

sub crc16 {
    my $crc = 0xffff;
    for my $byte (unpack 'C*', shift) {
        $crc ^= $byte << 8;
        $crc = ($crc & 0x8000 ? ($crc << 1) ^ 0x1021 : $crc << 1) & 0xffff for 1 .. 8;
    }
    return sprintf '%04X', $crc;
}

my $hello = qr/^\@hello (\{.*\})\*[0-9A-F]{4}\r?\n/m;

sub say_hello {
    my ($b, $seconds) = @_;
    my $fh = serial_open($b->{tty});
    syswrite $fh, 'hello*' . crc16('hello') . "\n";
    my $text = serial_read($fh, $hello, $seconds // 5);
    close $fh;
    return $text =~ $hello ? decode_json($1) : undef;
}

sub cpu_ticks { # user and system time of a process
    my @f = split ' ', contents("/proc/$_[0]/stat") =~ s/.*\) //sr;
    return $f[11] + $f[12];
}

# ---- flashing and talking ----------------------------------------------------------------------------------------
srand 1;
my $program = pack 'C*', map { int rand 256 } 1 .. 1 << 20;
open my $f, '>:raw', "$dir/program.bin" or die;
print $f $program;
close $f;

my $b = start('main');
ok($b && $b->{ready}{board} eq $board && $b->{ready}{serial} eq 'VB0001', 'the board gets ready') or exit 1;
ok(readlink($b->{link}) eq $b->{tty}, "the link leads to $b->{tty}");
my $line = serial_open($b->{tty});
my $begin = time;
ok(openocd($b, "init; farm_flash $firmware $dir/program.bin; shutdown") == 0,
    'OpenOCD flashes, verifies and starts firmware and 1 MB of program');
printf "# that took %.2f s\n", time - $begin;
my $text = serial_read($line, $hello, 5);
close $line;
ok($text =~ $hello, 'the firmware says hello after reset');
my $said = $text =~ $hello ? decode_json($1) : {};
ok($said->{board} eq $board && $said->{emulated} && $said->{timing} eq 'm7-table' && $said->{clock_hz} == 216000000,
    'it runs at 216 MHz and knows that it is emulated');
ok(substr(contents("$dir/flash.img"), 0x40000, 1 << 20) eq $program, 'the flash file holds the program');
ok(defined say_hello($b), 'it answers a command');

ok(openocd($b, 'init; shutdown', serial => 'OTHER') == 1, 'OpenOCD refuses a probe with another serial number');
ok(openocd($b, 'init; reset halt; reg pc; step; resume; shutdown') == 0, 'reset halt, step, resume');
ok(openocd($b, 'init; farm_reset; shutdown') == 0 && defined say_hello($b), 'farm_reset');
ok(openocd($b, 'init; mdw 0x60000000; shutdown') == 1, 'reading an address without memory is an error');
openocd($b, 'init; farm_reset; shutdown');

my $before = cpu_ticks($b->{pid});
sleep 1;
my $ticks = cpu_ticks($b->{pid}) - $before;
ok($ticks <= 10, "waiting for a command takes no CPU ($ticks ticks of 100 in a second)");
ok(contents("/proc/$b->{pid}/status") =~ /VmRSS:\s+(\d+)/ && $1 < 300000, "and less than 300 MB ($1 kB)");

# ---- bad clients -------------------------------------------------------------------------------------------------
sub client {
    return IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $b->{port});
}
my $first = client();
syswrite $first, "\x06\0\0\0";
sysread $first, my $reply, 16;
ok(length $reply == 16, 'a client is served');
my $second = client();
ok(IO::Select->new($second)->can_read(5) && !sysread($second, $reply, 1), 'a second one is hung up on');
close $second;
syswrite $first, "\x05" . "\0" x 10; # a third of a request, and gone
close $first;
for my $nonsense ("\xff", "\x05" . "\0" x 27 . "\xff\xff\xff\x7f", "GET / HTTP/1.0\r\n\r\n") {
    my $c = client();
    syswrite $c, $nonsense;
    ok(IO::Select->new($c)->can_read(5), 'nonsense gets an answer or the line is cut');
    close $c;
}
my $pid = openocd_start($b, 'VB0001', "init; farm_flash $firmware $dir/program.bin; shutdown");
sleep 0.4;
kill 'KILL', $pid;
waitpid $pid, 0;
ok(openocd($b, "init; farm_flash $firmware $dir/program.bin; shutdown") == 0 && defined say_hello($b),
    'OpenOCD killed in the middle: the next one flashes the board');

# ---- state, signals, lifetime ------------------------------------------------------------------------------------
ok(!start('twin'), 'a second board on the same flash file is refused');
ok(contents("$dir/twin.log") =~ /in use by another virtual board/, 'and says why');
stop($b, 'KILL');
ok(-l $b->{link}, 'kill -9 leaves the link');
$b = start('main');
ok($b && readlink($b->{link}) eq $b->{tty}, 'the next board takes it over');
ok(defined say_hello($b), 'and has kept its flash');
ok(stop($b) == 0, 'SIGTERM ends it with 0');
ok(!-l $b->{link}, 'and removes the link');

my $orphan = fork // die;
if ($orphan == 0) { # a parent that dies
    my $child = start('orphan');
    open my $o, '>', "$dir/orphan.pid";
    print $o $child ? $child->{pid} : 0;
    close $o;
    POSIX::_exit(0);
}
waitpid $orphan, 0;
my $child = contents("$dir/orphan.pid");
my $alive = 1;
for (1 .. 100) {
    $alive = kill 0, $child;
    $alive = 0 if contents("/proc/$child/stat") =~ /\) Z /;
    last if !$alive;
    sleep 0.02;
}
ok($child && !$alive, 'it ends with its parent');
ok(!-l "$dir/orphan.tty", 'and removes the link then too');

# ---- fault injection ---------------------------------------------------------------------------------------------
$b = start('silent', '--fault', 'silent');
ok($b && !defined say_hello($b, 1), 'silent: no answer');
stop($b);
$b = start('garbage', '--fault', 'garbage');
$line = serial_open($b->{tty});
syswrite $line, 'hello*' . crc16('hello') . "\n";
$text = serial_read($line, $hello, 1);
ok(length $text > 50 && $text !~ /hello/, 'garbage: ' . length($text) . ' bytes without sense');
close $line;
stop($b);
$b = start('hang', '--fault', 'hang:100');
ok($b && !defined say_hello($b, 1), 'hang: no answer');
ok(openocd($b, 'init; farm_reset; shutdown') == 0, 'hang: the debug port still works');
stop($b);
$b = start('stlink', '--fault', 'stlink-hang:60');
ok(openocd($b, "init; farm_flash $firmware $dir/program.bin; shutdown", seconds => 4) != 0,
    'stlink-hang: flashing does not succeed');
stop($b);
$b = start('nonsense', '--fault', 'bogus');
ok(!$b && contents("$dir/nonsense.log") =~ /unknown kind/, 'an unknown fault is refused');

print "1..$count\n";
exit($failed ? 1 : 0);
