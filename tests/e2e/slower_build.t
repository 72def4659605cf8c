#!/usr/bin/env perl
# SPDX-License-Identifier: MIT
# A build that is really slower: the firmware of the board compiled with -O1. The plan `smoke` runs on a virtual board with
# the usual firmware, then with that one: the second run must say `slower`, that the firmware changed and the program did
# not, by just what the instructions say; and a third one with the usual firmware again is `ok`.
use strict;
use warnings;
use lib 'tests/e2e';
use Farm;
use Test::More;

my $farm = Farm->new(server_options => ['--plans', 'plans']);
my $slow = "$farm->{dir}/slow";
my $log  = "$farm->{dir}/make.txt";
is system("make -s O=$slow FW_OPT=-O1 $slow/firmware/$Farm::BOARD/firmware.elf $slow/firmware/$Farm::BOARD/firmware.bin >$log 2>&1"),
    0, 'the firmware is built with -O1' or BAIL_OUT(`tail -n 5 $log`);
$farm->start_server or BAIL_OUT('no server');

# One run of smoke on the board, with the firmware of a folder.
sub night { my ($firmware) = @_;
    local $Farm::FIRMWARE = $firmware;
    $farm->start_agent('lab', virtual => "$Farm::BOARD:1") or BAIL_OUT('no agent');
    my ($run, $status) = $farm->call('POST', '/plans/smoke/runs', { boards => [$Farm::BOARD] });
    is $status, 202, 'smoke begins' or BAIL_OUT('no run');
    $run = $farm->wait_until('the run', 300, sub {
        my $r = $farm->get("/runs/$run->{id}");
        return $r->{state} =~ /^(done|failed|cancelled)$/ ? $r : undef;
    });
    $farm->stop('lab', 'TERM', 30);
    return $run;
}

sub findings { my ($run, $kind) = @_;
    return grep { $_->{kind} eq $kind } @{ $farm->get("/runs/$run->{id}/findings")->{items} };
}

my $first = night($Farm::FIRMWARE);
is "$first->{state} $first->{verdict}", 'done ok', 'the usual firmware: ok';
is $first->{points}{done}, 6, 'six points';

my $second = night("$slow/firmware");
is "$second->{state} $second->{verdict}", 'done regression', 'with -O1: a regression';
my @slower = findings($second, 'slower');
is scalar(@slower), 6, 'every point is slower';
for my $f (@slower) {
    my ($was, $is) = map { $farm->get("/runs/$_/points")->{items} } $first->{id}, $second->{id};
    ($was, $is) = map { my $points = $_; (grep { $_->{series} == $f->{series} } @$points)[0] } $was, $is;
    my $percent = ($is->{cycles}{median} / $was->{cycles}{median} - 1) * 100;
    ok $f->{state} eq 'confirmed' && $f->{firmware_changed} && !$f->{program_changed} && $f->{reason} eq 'code'
        && $f->{first_run} == $second->{id} && abs($f->{percent} - $percent) < 0.01 && $is->{instructions} > $was->{instructions},
        sprintf '%s, %s: %+.1f %% of cycles, %+.1f %% of instructions', $f->{model_name}, $f->{configuration}, $f->{percent},
        ($is->{instructions} / $was->{instructions} - 1) * 100;
}

my $third = night($Farm::FIRMWARE);
is scalar(findings($third, 'slower')), 0, 'the usual firmware again: nothing is slower';
is $farm->get("/findings/$slower[0]{id}")->{state}, 'resolved', 'and it is resolved';
done_testing;
