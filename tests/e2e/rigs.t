#!/usr/bin/env perl
# SPDX-License-Identifier: MIT
# Rigs: the probe's serial number reaches OpenOCD, two equal boards are never mixed up, a board that is not there is
# offline with the reason, a board that keeps failing is in quarantine until a known program runs right on it.
use strict;
use warnings;
use lib 'tests/e2e';
use Farm;
use JSON::PP ();
use Test::More;
use Time::HiRes qw(sleep);

# --- the probe
my $told = 0;
for my $cfg (sort glob 'firmware/boards/*/openocd.cfg') {
    my ($id) = $cfg =~ m{boards/([^/]+)/};
    my $said = qx(openocd -d3 -c 'gdb_port disabled; telnet_port disabled; tcl_port disabled' -c 'set FARM_SERIAL S3R:1-A' -f $cfg -c shutdown 2>&1);
    next if $said =~ /only the virtual board can be flashed this way/;
    like $said, qr/command - adapter serial S3R:1-A$/m, "$id: OpenOCD is told which probe";
    $told++;
}
cmp_ok $told, '>=', 4, "$told kinds of boards have a probe to tell";

# --- two equal boards on one host
my $farm = Farm->new(server_options => ['--attempts', 1]);
ok $farm->start_server, 'the server starts' or BAIL_OUT('no server');
my $model = $farm->upload("$Farm::MODELS/tiny_mbv2.tflite", 'tiny_mbv2') or BAIL_OUT('no model');
my @specs = map { $_->{spec} } @{ $farm->get("/models/$model->{id}/front")->{points} };
my %two   = map { $_ => $farm->start_vboard($_) } qw(left right);
ok $two{left} && $two{right}, 'two equal boards' or BAIL_OUT('no boards');
my $path = $farm->write_rigs(%two);
my $json = JSON::PP->new;
sub read_rigs { open my $f, '<', $path or die; local $/; return $json->decode(scalar <$f>)->{rigs} }
sub write_config { my ($name, @rigs) = @_;
    my $file = "$farm->{dir}/$name.json";
    open my $f, '>', $file or die "$file: $!";
    print $f $json->encode({ rigs => \@rigs });
    close $f;
    return $file;
}
sub refusal { my ($name, @rigs) = @_;
    my $file = write_config($name, @rigs);
    my $said = qx($Farm::BIN/farm-agent --server $farm->{url} --firmware $Farm::FIRMWARE --rigs $file 2>&1);
    return ($? >> 8) . ": $said";
}
my ($left, $right) = @{ read_rigs() };
like refusal('same-probe', $left, { %$right, serial => $left->{serial} }), qr/^2: .*"right".*serial.*same as that of rig "left"/,
    'one probe for two rigs is refused with both names';
like refusal('same-tty', $left, { %$right, tty => $left->{tty} }), qr/^2: .*"right".*tty.*same as that of rig "left"/,
    'one serial line for two rigs as well';
my ($device) = readlink $left->{tty};
like refusal('same-device', $left, { %$right, tty => $device }), qr/^2: .*"right".*tty.*same as that of rig "left"/,
    'also by another name';

my $swapped = write_config('swapped', { %$left, tty => $right->{tty} }, { %$right, tty => $left->{tty} });
ok $farm->start_agent('swapped', rigs => $swapped), 'serial lines swapped: the agent starts';
my $c = $farm->submit(model => $model->{id}, specs => [@specs[0, 1]], repeats => 1);
$farm->wait_done($c->{id}, 60);
my @jobs = $farm->list("/campaigns/$c->{id}/jobs");
is_deeply [map { $_->{error} ? $_->{error}{type} : $_->{state} } @jobs], [('wrong-board') x 2],
    'a board that was not flashed is noticed, though it is an equal one' or diag map { "$_->{error}{detail}\n" } @jobs;
is $farm->stop('swapped'), 0, 'the agent stops';

ok $farm->start_agent('host', rigs => $path), 'as it should be: the agent starts';
$c = $farm->submit(model => $model->{id}, points => 8, repeats => 1);
is $farm->wait_done($c->{id}, 90)->{jobs}{done}, 8, 'eight jobs on two equal boards are done';
is_deeply [sort keys %{ { map { $_->{rig} => 1 } $farm->list("/campaigns/$c->{id}/results") } }], [qw(left right)], 'by both';
is $farm->stop($_), 0, "$_ stops" for qw(host left right);

# --- a board that is not plugged in
ok $farm->start_agent('desk', no_wait => 1, rigs => write_config('desk',
    { name => 'absent', board => $Farm::BOARD, serial => 'NONE', tty => 'usb:dead:beef:NONE' })), 'a rig by USB id';
my $rig = $farm->wait_until('the rig', 20, sub { (grep { $_->{name} eq 'absent' } $farm->list('/rigs'))[0] });
is $rig->{state}, 'offline', 'it is offline';
is $rig->{last_error}, 'usb:dead:beef:NONE is not plugged in', 'with the reason';
is $farm->stop('desk'), 0, 'the agent stops';
like qx($Farm::BIN/farm-agent --list-ports), qr/^(no serial port on USB|(usb:[0-9a-f]{4}:[0-9a-f]{4}:.*\n?)+)$/, 'farm-agent --list-ports';

# --- quarantine, on a board of each kind of probe and core
my @BOARDS = qw(esp32s3-devkit hifive1b nucleo-f412zg);
my $fault  = "$farm->{dir}/fault";
sub all_boards { my ($kind) = @_; open my $f, '>', $fault or die "$fault: $!"; print $f $kind; close $f }
all_boards('other-board');
ok $farm->start_agent('sick', virtual => \@BOARDS, no_wait => 1,
    options => ['--pause', 1, '--silence', 10, '--vboard-arg', '--fault', '--vboard-arg', "\@$fault"]), 'boards that keep failing';
$c = $farm->submit(model => $model->{id}, boards => \@BOARDS, specs => [@specs[0 .. 2]], repeats => 1);
$farm->wait_done($c->{id}, 120);
my $last = $farm->submit(model => $model->{id}, boards => \@BOARDS, specs => [$specs[0]], repeats => 1);
my @sick = $farm->wait_until('quarantine', 60, sub {
    my @rigs = grep { $_->{agent} eq 'sick' && $_->{state} eq 'quarantined' } $farm->list('/rigs');
    return @rigs == @BOARDS ? \@rigs : undef });
for my $r (@{ $sick[0] // [] }) {
    like $r->{last_error}, qr/the board says it is X/, "$r->{name} is in quarantine with the reason: $r->{last_error}";
}
ok $farm->wait_until('failing checks', 60, sub {
    my $log = $farm->log_of('sick');
    return !grep { $log !~ /\Q$_->{name}\E: still quarantined.*the board says it is X/ } @{ $sick[0] // [] };
}), 'the known program does not run: they stay there';
is $farm->get("/campaigns/$last->{id}")->{jobs}{queued}, scalar @BOARDS, 'and take no job';
all_boards('');
my $done = $farm->wait_done($last->{id}, 120);
is $done && $done->{jobs}{done}, scalar @BOARDS, 'healthy again, they take the next job by themselves';
is scalar(() = $farm->log_of('sick') =~ /the health check passed/g), scalar @BOARDS, 'after a health check that passed';
is $farm->stop($_), 0, "$_ stops" for qw(sick server);
is_deeply [$farm->processes], [], 'no process is left';
done_testing;
