#!/usr/bin/env perl
# SPDX-License-Identifier: MIT
# kill -9 of server, agent and virtual board, each in the middle of a campaign: the campaign completes, nothing that
# was acknowledged is lost, nothing is counted twice. Then on boards of every core, one kind after the other and all at
# once: no process, port or terminal stays behind.
use strict;
use warnings;
use lib 'tests/e2e';
use Farm;
use Test::More;

my $POINTS = 12;
my $farm   = Farm->new(server_options => ['--lease-s', 10]);
ok $farm->start_server, 'the server starts' or BAIL_OUT('no server');
ok $farm->start_agent('host-1', virtual => "$Farm::BOARD:1"), 'the agent starts' or BAIL_OUT('no agent');
my $model = $farm->upload("$Farm::MODELS/tiny_mbv2.tflite", 'tiny_mbv2');
ok $model, 'a model' or BAIL_OUT('no model');

sub middle { my ($what) = @_;
    my $c = $farm->submit(model => $model->{id}, points => $POINTS, repeats => 3, name => $what);
    my $there = $farm->wait_until('the middle of the campaign', 120, sub {
        my $jobs = $farm->get("/campaigns/$c->{id}")->{jobs};
        return $jobs->{done} >= 2 && $jobs->{leased} >= 1;
    });
    ok $there, "$what: in the middle of a campaign";
    return $c->{id};
}

sub check { my ($id, $what, $limit_s, @acknowledged) = @_;
    my $c = $farm->wait_done($id, $limit_s);
    ok $c, "$what: the campaign completes" or return;
    is_deeply [@{ $c->{jobs} }{qw(queued leased done failed)}], [0, 0, $POINTS, 0], "$what: all jobs are done";
    my @results = $farm->list("/campaigns/$id/results");
    is scalar @results, $POINTS, "$what: $POINTS results";
    is scalar(keys %{ { map { $_->{job} => 1 } @results } }), $POINTS, "$what: one for each job";
    is scalar(grep { $_->{output} eq 'match' } @results), $POINTS, "$what: every output is right";
    my %there = map { $_->{id} => $_ } @results;
    is scalar(grep { $there{ $_->{id} } && $there{ $_->{id} }{created} eq $_->{created} } @acknowledged),
        scalar @acknowledged, "$what: what was acknowledged before is still there, unchanged";
}

{
    my $what         = 'server';
    my $id           = middle($what);
    my @acknowledged = $farm->list("/campaigns/$id/results");
    is $farm->stop('server', 'KILL') & 127, 9, "$what: killed";
    sleep 1;
    ok $farm->start_server, "$what: starts again on the same data";
    check($id, $what, 180, @acknowledged);
    ok $farm->is_alive('host-1'), "$what: the agent lived through it";
}
{
    my $what         = 'agent';
    my $id           = middle($what);
    my @acknowledged = $farm->list("/campaigns/$id/results");
    is $farm->stop('host-1', 'KILL') & 127, 9, "$what: killed";
    ok $farm->wait_until('children gone', 5, sub { !$farm->processes('farm-vboard') && !$farm->processes('openocd') }),
        "$what: its virtual board and OpenOCD end with it";
    ok $farm->start_agent('host-1', virtual => "$Farm::BOARD:1"), "$what: starts again";
    check($id, $what, 240, @acknowledged);
}
{
    my $what         = 'virtual board';
    my $id           = middle($what);
    my @acknowledged = $farm->list("/campaigns/$id/results");
    my @boards       = $farm->processes('farm-vboard');
    is scalar @boards, 1, "$what: one is there";
    is kill('KILL', @boards), 1, "$what: killed";
    check($id, $what, 240, @acknowledged);
    my @retried = grep { $_->{attempts} > 1 } $farm->list("/campaigns/$id/jobs");
    ok @retried <= 2, "$what: at most the job that ran and one more were tried again (" . @retried . ')';
}

is $farm->stop('host-1'), 0, 'the agent stops';
{
    my @boards = qw(esp32c3-devkit esp32s3-devkit hifive1b nucleo-f767zi);
    my %agent  = (virtual => \@boards);
    my @counts = (2 + @boards, 2, 3 + @boards);
    my $all    = sub {
        my $held = $farm->holdings;
        return "@counts" eq join(' ', map { scalar @{ $held->{$_} } } qw(processes ports terminals)) && $held;
    };
    my $before = $farm->holdings;
    my $start  = sub { my ($what) = @_;
        ok $farm->start_agent('many', %agent), "$what: an agent with " . @boards . ' boards';
        my $held = $farm->wait_until('all boards', 60, $all);
        ok $held, "$what: server, agent, boards; a port for the server and one for the ST-LINK; a terminal each and one for each JTAG"
            or diag explain $farm->holdings;
        return $held;
    };
    my $submit = sub { my ($what) = @_;
        my $c = $farm->submit(model => $model->{id}, boards => \@boards, points => 3, repeats => 1, name => $what);
        ok $farm->wait_until('work', 60, sub { $farm->get("/campaigns/$c->{id}")->{jobs}{leased} >= 2 }), "$what: boards are at work";
        return $c->{id};
    };
    my $gone = sub { my ($what, $held) = @_;
        ok $farm->wait_until('the end of all', 15, sub { !Farm::left_of($held) }), "$what: no process, port or terminal is left"
            or diag map { "$_\n" } Farm::left_of($held);
    };

    my $held = $start->('boards');
    my $id   = $submit->('boards');
    kill 'KILL', $farm->processes('farm-vboard');
    my $c = $farm->wait_done($id, 240);
    is $c && $c->{jobs}{done}, 3 * @boards, 'boards: killed and started again, they do every job';
    ok $farm->wait_until('as before', 20, $all), 'boards: as many processes, ports and terminals as before';

    $id   = $submit->('agent');
    $held = $farm->holdings;
    $farm->stop('many', 'KILL');
    $held->{ports} = [grep { $_ != $farm->{port} } @{ $held->{ports} }];
    $held->{processes} = [grep { $_ != $farm->{pid}{server} } @{ $held->{processes} }];
    $gone->('agent', $held);
    is scalar $farm->processes, 1, 'agent: the server is alone';

    $held = $start->('all');
    kill 'KILL', @{ $held->{processes} };
    $gone->('all', $held);
    $farm->is_alive($_) for qw(server many);
    ok $farm->start_server, 'all: the server starts again';
    $start->('after all');
    $c = $farm->wait_done($id, 240);
    is $c && $c->{jobs}{done}, 3 * @boards, 'after all: the campaign completes';
    is $farm->stop('many'), 0, 'after all: the agent stops';
    my $after = $farm->holdings;
    is_deeply [map { scalar @{ $after->{$_} } } qw(processes ports terminals)],
        [map { scalar @{ $before->{$_} } } qw(processes ports terminals)], 'after all: processes, ports and terminals are as before';
}
is $farm->stop('server'), 0, 'the server stops';
is_deeply [$farm->processes], [], 'no process is left';
done_testing;
