#!/usr/bin/env perl
# SPDX-License-Identifier: MIT
# Boards that misbehave: each fault gets its named failure, is tried again three times at most, and the queue goes on.
# Each fault has a farm of its own; they all run at the same time, because most of it is waiting for deadlines.
use strict;
use warnings;
use lib 'tests/e2e';
use Farm;
use Test::More;

# What the virtual board does wrong, and what the farm may call it.
my @FAULTS = (
    ['silent',         qr/^serial-timeout$/],
    ['garbage',        qr/^serial-garbage$/],
    ['hang:200000',    qr/^(serial-timeout|flash-failed)$/],
    ['cut',            qr/^serial-garbage$/],
    ['stlink-hang:40', qr/^flash-failed$/],
);
my (@farms, $least);

sub fault { my ($kind, $silence_s) = @_;
    return (no_wait => 1, options => ['--vboard-arg', '--fault', '--vboard-arg', $kind, '--silence', $silence_s]);
}

for my $f (@FAULTS) {
    my ($kind) = @$f;
    my $farm = Farm->new;
    push @farms, $farm;
    ok $farm->start_server, "$kind: the server starts" or BAIL_OUT('no server');
    my $model = $farm->upload("$Farm::MODELS/tiny_mbv2.tflite", 'tiny_mbv2') or BAIL_OUT('no model');
    $least //= $farm->get("/models/$model->{id}/front")->{points}[0]{spec};
    $farm->{campaign} = $farm->submit(model => $model->{id}, specs => [$least], repeats => 1, name => $kind)->{id};
    ok $farm->start_agent('bad', virtual => "$Farm::BOARD:1", fault($kind, 3)), "$kind: the agent starts";
}

# A silent board and a good one serve the same queue: every job is done in the end, by the good one.
my $mixed = Farm->new;
ok $mixed->start_server, 'mixed: the server starts';
my $model = $mixed->upload("$Farm::MODELS/tiny_mbv2.tflite", 'tiny_mbv2');
my $c     = $mixed->submit(model => $model->{id}, points => 8, repeats => 1, name => 'mixed');
ok $mixed->start_agent('silent', virtual => "$Farm::BOARD:1", fault('silent', 2)), 'mixed: an agent with a silent board';
ok $mixed->wait_until('a job on the silent board', 30, sub {
    grep { $_->{agent} eq 'silent' && $_->{state} eq 'busy' } $mixed->list('/rigs') }), 'mixed: which takes a job';
ok $mixed->start_agent('good', virtual => "$Farm::BOARD:1"), 'mixed: and one with a good board';
my $done = $mixed->wait_done($c->{id}, 200);
is $done && $done->{jobs}{done}, 8, 'mixed: every job is done';
my ($good) = $mixed->live_rigs('good');
is_deeply [keys %{ { map { $_->{rig} => 1 } $mixed->list("/campaigns/$c->{id}/results") } }], [$good->{name}],
    'mixed: by the good board'
    if $good && $good->{name};
my ($silent) = grep { $_->{agent} eq 'silent' } $mixed->list('/rigs');
ok $silent->{failures} >= 1, "mixed: the silent board's failures are counted ($silent->{failures})";
is $mixed->stop($_), 0, "mixed: $_ stops" for qw(silent good server);
is_deeply [$mixed->processes], [], 'mixed: no process is left';

# A bit of the program flips in flash: the board notices, the program is written again, and no wrong point is stored.
my $flip = Farm->new;
ok $flip->start_server, 'bitflip: the server starts';
$model = $flip->upload("$Farm::MODELS/tiny_mbv2.tflite", 'tiny_mbv2');
$c     = $flip->submit(model => $model->{id}, specs => [$least], repeats => 1, name => 'bitflip');
ok $flip->start_agent('bad', virtual => "$Farm::BOARD:1", fault('bitflip', 3)), 'bitflip: the agent starts';
$flip->wait_done($c->{id}, 60);
my ($job) = $flip->list("/campaigns/$c->{id}/jobs");
is $job->{state},    'done', 'bitflip: the job is done';
is $job->{attempts}, 2,      'bitflip: at the second attempt';
is $job->{result}{output}, 'match', 'bitflip: with the right output';
like scalar $flip->farm('log', $job->{id}), qr/CRC-32 does not match.*^failed: flash-failed: /ms, "bitflip: the job's log tells of the first";
is $flip->stop($_), 0, "bitflip: $_ stops" for qw(bad server);

for my $i (0 .. $#FAULTS) {
    my ($kind, $expected) = @{ $FAULTS[$i] };
    my $farm = $farms[$i];
    my $done = $farm->wait_done($farm->{campaign}, 300);
    ok $done, "$kind: the campaign ends" or next;
    my ($job) = $farm->list("/campaigns/$farm->{campaign}/jobs");
    is $job->{state}, 'failed', "$kind: the job failed";
    like $job->{error}{type}, $expected, "$kind: with a name for it";
    ok length $job->{error}{detail} > 10, "$kind: and a sentence: $job->{error}{detail}";
    ok $job->{attempts} >= 1 && $job->{attempts} <= 3, "$kind: after $job->{attempts} attempts";
    is scalar $farm->list("/campaigns/$farm->{campaign}/results"), 0, "$kind: and gave no result";
    my ($log) = $farm->farm('log', $job->{id});
    like $log, qr/\S/, "$kind: the job has a log";
    my ($watched, $status) = $farm->farm('watch', $farm->{campaign});
    is $status, 1, "$kind: farm watch ends with status 1";
    like $watched, qr/FAILED \Q$job->{error}{type}\E: /, "$kind: and tells why";
    is $farm->stop('bad'), 0, "$kind: the agent stops";
    is $farm->stop('server'), 0, "$kind: the server stops";
    is_deeply [$farm->processes], [], "$kind: no process is left";
}
done_testing;
