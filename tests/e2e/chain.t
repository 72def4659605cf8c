#!/usr/bin/env perl
# SPDX-License-Identifier: MIT
# The whole chain: server, agent, OpenOCD, virtual board, client. A front is measured, every output is right, RAM is as
# predicted to the byte; the same data serve a second session; nothing is left behind.
use strict;
use warnings;
use lib 'tests/e2e';
use Farm;
use Test::More;

my $POINTS = 12;
my $farm   = Farm->new;
ok $farm->start_server, 'the server starts' or BAIL_OUT('no server');
ok $farm->start_agent('host-1', virtual => "$Farm::BOARD:1"), 'the agent starts with a virtual board'
    or BAIL_OUT('no agent');
my ($rig) = $farm->live_rigs('host-1');
is $rig->{board}, $Farm::BOARD, 'its rig is listed';

# As a user does it: one command.
my ($text, $status) = $farm->farm('submit', "$Farm::MODELS/tiny_mbv2.tflite", '--points', $POINTS, '--watch');
is $status, 0, 'farm submit --watch ends well' or diag $text;
my ($id) = $text =~ /^campaign (\d+):/;
ok $id, 'and names its campaign' or BAIL_OUT($text);
check_campaign($id);

# The table of the client, and both questions.
($text, $status) = $farm->farm('front', $id);
is $status, 0, 'farm front';
my @rows = grep { /\bemulated\b/ } split /\n/, $text;
is scalar(@rows), $POINTS, "$POINTS rows, each said to be emulated" or diag $text;
is scalar(grep { /\bmatch\b/ } @rows), $POINTS, 'each with the right output';
my @bytes = map { /^\s*\S+\s+(\d+)/ ? $1 : () } @rows;
is_deeply [@bytes], [sort { $a <=> $b } @bytes], 'by rising RAM';
($text) = $farm->farm('front', $id, '--max-ram', $bytes[3], '--max-overhead', '1.2');
like $text, qr/^least computation in $bytes[3] bytes: .*\($bytes[3] bytes\)/m, 'P2 at the RAM of a point is that point';
like $text, qr/^least RAM with F <= 1\.2: [\d.]+ kB/m, 'P1 has an answer';
($text, $status) = $farm->farm('front', 'tiny_mbv2', '--json');
my $front = JSON::PP->new->decode($text);
ok @{ $front->{points} } >= $POINTS, 'the front of the model, by name, as JSON';
for my $i (1 .. $#{ $front->{points} }) {
    my ($p, $q) = @{ $front->{points} }[$i - 1, $i];
    next if $p->{arena_bytes} < $q->{arena_bytes} && $p->{macs} > $q->{macs};
    fail "points $i and " . ($i + 1) . ' do not trade RAM for MACs';
}

# A second campaign on the same data, by other processes: a plain run and one repeat count.
is $farm->stop('host-1'), 0, 'the agent stops on SIGTERM with status 0';
is $farm->stop('server'), 0, 'the server stops on SIGTERM with status 0';
is_deeply [$farm->processes], [], 'no process is left';
ok !$farm->port_answers, 'the port is free';
ok $farm->start_server, 'the server starts on the same data and port';
is $farm->get("/campaigns/$id")->{jobs}{done}, $POINTS, 'the first campaign is there';
ok $farm->start_agent('host-1', virtual => "$Farm::BOARD:1"), 'the agent starts again';
my ($model) = grep { $_->{name} eq 'tiny_mbv2' } $farm->list('/models');
my $plain   = '0-' . ($model->{layers} - 1) . ':plain';
my $second  = $farm->submit(model => $model->{id}, specs => [$plain, $front->{points}[0]{spec}], repeats => 2);
ok $second, 'a campaign of two configurations, one of them plain';
my $done = $farm->wait_done($second->{id}, 120);
is $done && $done->{jobs}{done}, 2, 'both are measured';
# All strategies on one board: every one runs, with the bytes of the reference and the planned RAM.
my @names = qw(vanilla mcunetv2 streamnet msfcnn msfcnn-paper pareto);
($text, $status) = $farm->farm('submit', 'tiny_mbv2', '--strategy', join(',', @names), '--points', 2, '--repeats', 1, '--watch');
is $status, 0, 'farm submit --strategy with all strategies' or diag $text;
my ($compared) = $text =~ /^campaign (\d+):/;
my @by_strategy = $farm->list('/campaigns/' . ($compared // 0) . '/results');
my %chosen_by = map { map { $_ => 1 } @{ $_->{strategies} } } @by_strategy;
is_deeply [sort keys %chosen_by], [sort @names], 'each has results';
ok !(grep { $_->{output} ne 'match' || $_->{arena_bytes} != $_->{predicted_arena_bytes} } @by_strategy),
    'all with the right output and the planned RAM';
ok scalar(grep { $_->{spec} =~ /patch/ } @by_strategy), 'patches among them';
($text) = $farm->farm('front', $compared);
like $text, qr/strategy +configuration\n(?:.*\n)*.* streamnet +0-\d+:rows /, 'the table has a column for them';
my @results = $farm->list("/campaigns/$second->{id}/results");
is scalar(grep { $_->{output} eq 'match' } @results), 2, 'with the right output';
my ($whole) = grep { $_->{spec} eq $plain } @results;
is $whole->{arena_bytes}, $model->{plain_arena_bytes}, 'a plain run needs what the model page says';
is scalar @{ $whole->{runs} }, 2, 'two repeats were timed';
is scalar(keys %{ { map { $_->{output_crc32} => 1 } @results } }), 1, 'fused and plain give the same output';

# The same program on the same virtual board takes the same instructions, in another process and on another day.
my ($old) = grep { $_->{spec} eq $front->{points}[0]{spec} } $farm->list("/campaigns/$id/results");
my ($new) = grep { $_->{spec} eq $front->{points}[0]{spec} } @results;
is $new->{instructions}, $old->{instructions}, 'the same instructions as in the first session';

# Both at once, the wrong way round.
is $farm->stop('server'), 0, 'the server stops under the agent';
is $farm->stop('host-1'), 0, 'the agent stops without a server';
is_deeply [$farm->processes], [], 'no process is left';
done_testing;

sub check_campaign { my ($id) = @_;
    my $c = $farm->get("/campaigns/$id");
    is $c->{state}, 'done', 'the campaign is done';
    is_deeply [@{ $c->{jobs} }{qw(queued leased done failed)}], [0, 0, $POINTS, 0], "all $POINTS jobs are done";
    my @results = $farm->list("/campaigns/$id/results");
    is scalar @results, $POINTS, "with $POINTS results";
    for my $r (@results) {
        my $name = "$r->{arena_bytes} bytes";
        is $r->{output}, 'match', "$name: the output is the reference's";
        is $r->{arena_bytes}, $r->{predicted_arena_bytes}, "$name: RAM as predicted";
        ok $r->{emulated} && $r->{timing}, "$name: said to be emulated, with the timing model's name";
        ok $r->{instructions} > 0 && $r->{cycles}{median} > 0 && $r->{ms} > 0, "$name: instructions, cycles and ms";
        ok abs($r->{ms} - 1000 * $r->{cycles}{median} / $r->{clock_hz}) < 0.01, "$name: ms are cycles over the clock";
    }
    my @jobs = $farm->list("/campaigns/$id/jobs");
    is scalar(grep { $_->{attempts} == 1 } @jobs), $POINTS, 'each at the first attempt';
    my ($log) = $farm->farm('log', $jobs[0]{id});
    like $log, qr/\S/, 'a job has a log';
}
