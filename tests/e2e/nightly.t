#!/usr/bin/env perl
# SPDX-License-Identifier: MIT
# The shipped plan `smoke` on two virtual boards, by `farm plan run --wait`: a pass, the same again to the cycle, and once more
# with the server killed amid the run. Then a board that is gone: no verdict, and no regression.
use strict;
use warnings;
use lib 'tests/e2e';
use Farm;
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep);

my @boards = ('nucleo-f767zi', 'esp32c3-devkit');
my $farm = Farm->new(server_options => ['--plans', 'plans']);
ok $farm->start_server, 'the server starts with the shipped plans' or BAIL_OUT('no server');
is_deeply [map { "$_->{name} " . ($_->{error} ? $_->{error}{detail} : 'valid') } @{ $farm->get('/plans')->{items} }],
    ['nightly valid', 'paper valid', 'smoke valid'], 'which are valid';
ok $farm->start_agent('host-1', virtual => "$boards[0]:1", options => ['--virtual', "$boards[1]:1"]), 'the agent starts'
    or BAIL_OUT('no agent');
ok $farm->wait_until('both rigs', 40, sub { $farm->live_rigs('host-1') == 2 }), 'with two boards';

my $xml = "$farm->{dir}/smoke.xml";
my @run = ('plan', 'run', 'smoke', '--boards', join(',', @boards), '--wait', '--junit', $xml);
my ($text, $status) = $farm->farm(@run);
is $status, 0, 'smoke is a pass' or diag $text;
like $text, qr/^# smoke, run 1: ok$/m, 'its summary says so';
my $run = $farm->get('/runs/1');
cmp_ok $run->{points}{done} + $run->{points}{no_fit}, '==', $run->{points}{all}, 'every point that fits is measured';
is_deeply [sort map { "$_->{board} $_->{model_name} $_->{look}" } @{ $run->{grid} }],
    [sort map { my $b = $_; map { "$b $_ pass" } qw(tiny_mbv2 lenet5) } @boards], 'both networks on both boards';
my @points = $farm->list('/runs/1/points');
is scalar(grep { $_->{state} eq 'done' && $_->{emulated} && $_->{timing} && $_->{instructions} > 0 && $_->{flash_bytes} > 0 } @points),
    $run->{points}{done}, 'with instructions, flash and the timing model';
open my $f, '<', $xml or die "$xml: $!";
like do { local $/; <$f> }, qr/<testsuite name="smoke" id="1"[^>]* failures="0" errors="0"/, 'JUnit XML without a failure';

# Once more, with the server killed as soon as something is measured.
my $pid = fork // die "fork: $!";
if ($pid == 0) {
    my ($said, $end) = $farm->farm(@run);
    print STDERR $said if $end;
    POSIX::_exit($end);
}
ok $farm->wait_until('a second run at work', 60, sub {
    my $r = $farm->get('/runs/2');
    return $r && $r->{state} eq 'running';
}), 'the second run is at work';
sleep 1;
$farm->stop('server', 'KILL');
ok $farm->start_server, 'kill -9, and the server is back';
waitpid $pid, 0;
is $? >> 8, 0, 'the client has waited for it, and the run is a pass';
my $again = $farm->get('/runs/2');
is_deeply $again->{points}, $run->{points}, 'with every point once';
my %first = map { ("$_->{board} $_->{model_name} $_->{configuration}" => $_) } grep { $_->{state} eq 'done' } @points;
my @other = grep { my $p = $_; my $q = $first{"$p->{board} $p->{model_name} $p->{configuration}"};
    $p->{state} eq 'done' && ($p->{cycles}{median} ne $q->{cycles}{median} || $p->{arena_bytes} != $q->{arena_bytes}) } $farm->list('/runs/2/points');
is scalar @other, 0, 'the same to the cycle and the byte';

# Without its boards a run ends by its budget or by somebody's hand, and accuses nobody's code.
is $farm->stop('host-1'), 0, 'the agent stops';
$pid = fork // die "fork: $!";
if ($pid == 0) {
    POSIX::_exit(($farm->farm(@run))[1]);
}
ok $farm->wait_until('a third run', 60, sub { my $r = $farm->get('/runs/3'); $r && $r->{state} eq 'running' }), 'a run without boards';
$farm->call('DELETE', '/runs/3');
waitpid $pid, 0;
is $? >> 8, 5, 'is no verdict when it is cancelled';
is $farm->stop('server'), 0, 'the server stops';
done_testing;
