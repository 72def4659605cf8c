#!/usr/bin/env perl
# SPDX-License-Identifier: MIT
# Boards that misbehave: each fault gets its named failure, is tried again three times at most, and the queue goes on.
use strict;
use warnings;
use lib 'tests/e2e';
use Farm;
use Test::More;

# What the virtual board does wrong, and what the farm may call it.
my @FAULTS = (
    ['silent',         qr/^serial-timeout$/],
    ['garbage',        qr/^serial-(garbage|timeout)$/],
    ['hang:200000',    qr/^(serial-timeout|flash-failed)$/],
    ['cut',            qr/^serial-(garbage|timeout)$/],
    ['bitflip',        qr/^(output-mismatch|board-fault|wrong-board)$/],
    ['stlink-hang:40', qr/^flash-failed$/],
);

my $farm = Farm->new(server_options => ['--quarantine-s', 1]);
ok $farm->start_server, 'the server starts' or BAIL_OUT('no server');
my $model = $farm->upload("$Farm::MODELS/tiny_mbv2.tflite", 'tiny_mbv2') or BAIL_OUT('no model');
my $least = $farm->get("/models/$model->{id}/front")->{points}[0]{spec};

for my $fault (@FAULTS) {
    my ($kind, $expected) = @$fault;
    my $agent = 'bad-' . ($kind =~ /^([a-z-]+)/)[0];
    ok $farm->start_agent($agent, virtual => "$Farm::BOARD:1", no_wait => 1,
        options => ['--vboard-arg', '--fault', '--vboard-arg', $kind, '--silence', 3]), "$kind: the agent starts";
    my $c = $farm->submit(model => $model->{id}, specs => [$least], repeats => 1, name => $kind);
    my $done = $farm->wait_done($c->{id}, 150);
    ok $done, "$kind: the campaign ends" or next;
    my ($job) = $farm->list("/campaigns/$c->{id}/jobs");
    is $job->{state}, 'failed', "$kind: the job failed";
    like $job->{error}{type}, $expected, "$kind: with a name for it";
    ok length $job->{error}{detail} > 10, "$kind: and a sentence: $job->{error}{detail}";
    ok $job->{attempts} >= 1 && $job->{attempts} <= 3, "$kind: after $job->{attempts} attempts";
    is scalar $farm->list("/campaigns/$c->{id}/results"), 0, "$kind: and gave no result";
    my ($log) = $farm->farm('log', $job->{id});
    like $log, qr/\S/, "$kind: the job has a log";
    my ($watched, $status) = $farm->farm('watch', $c->{id});
    is $status, 1, "$kind: farm watch ends with status 1";
    like $watched, qr/FAILED \Q$job->{error}{type}\E: /, "$kind: and tells why";
    is $farm->stop($agent), 0, "$kind: the agent stops";
    is_deeply [$farm->processes('farm-vboard'), $farm->processes('openocd')], [], "$kind: with its children";
}

# A silent board and a good one serve the same queue: every job is done in the end, by the good one.
ok $farm->start_agent('silent', virtual => "$Farm::BOARD:1", no_wait => 1,
    options => ['--vboard-arg', '--fault', '--vboard-arg', 'silent', '--silence', 2]), 'an agent with a silent board';
ok $farm->start_agent('good', virtual => "$Farm::BOARD:1"), 'and one with a good board';
my $c    = $farm->submit(model => $model->{id}, points => 8, repeats => 1, name => 'mixed');
my $done = $farm->wait_done($c->{id}, 200);
is $done && $done->{jobs}{done}, 8, 'every job is done';
my %by = map { $_->{rig} => 1 } $farm->list("/campaigns/$c->{id}/results");
my ($good) = $farm->live_rigs('good');
is_deeply [keys %by], [$good->{name}], 'by the good board';
my ($silent) = grep { $_->{agent} eq 'silent' } $farm->list('/rigs');
ok $silent->{failures} >= 1, "the silent board's failures are counted ($silent->{failures})";

is $farm->stop($_), 0, "$_ stops" for qw(silent good server);
is_deeply [$farm->processes], [], 'no process is left';
done_testing;
