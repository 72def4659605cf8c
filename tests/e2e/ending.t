#!/usr/bin/env perl
# SPDX-License-Identifier: MIT
# A test that is ended from outside, as by the time limit of tests/run, or that dies, takes its server, its boards, what
# it waits for and its folder with it.
use strict;
use warnings;
use lib 'tests/lib', 'tests/e2e';
use Ending;
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep);

my $PROGRAM = <<'END_OF_TEST';
    $| = 1;
    my $farm = Farm->new;
    $farm->start_server && $farm->start_vboard('board') or die "no farm\n";
    exit if fork == 0;    # a child that runs no program ends alone
    wait;
    print "$farm->{dir} ", scalar $farm->processes, "\n";
    system 'sleep', 600 if $ARGV[0] eq 'runs';
    sleep 600 if $ARGV[0] eq 'waits';
    $! = $? = 0;    # what they hold would be the exit status
    die "as it should\n" if $ARGV[0] eq 'dies';
END_OF_TEST

for my $case (['TERM while it runs a program', 'runs', 'TERM', 128 + 15], ['INT while it waits', 'waits', 'INT', 128 + 2],
    ['die', 'dies', undef, 255], ['its last line', 'ends', undef, 0]) {
    my ($what, $arg, $signal, $status) = @$case;
    my $pid = open(my $said, '-|') // die "fork: $!";
    if ($pid == 0) {
        open STDERR, '>', '/dev/null';
        exec $^X, '-Itests/e2e', '-MFarm', '-e', $PROGRAM, $arg or POSIX::_exit(127);
    }
    my ($dir, $processes) = split ' ', <$said> // '';
    is $processes, 2, "$what: a server and a board" or next;
    sleep 0.5;    # it is there by then
    kill $signal, $pid if $signal;
    waitpid $pid, 0;
    is $? >> 8, $status, "$what: its exit status";
    is_deeply [Ending::marked("FARM_TEST=$pid")], [], "$what: no process is left";
    ok !-e $dir, "$what: nor its folder";
}
done_testing;
