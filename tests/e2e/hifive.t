#!/usr/bin/env perl
# SPDX-License-Identifier: MIT
# The smallest board: 16 kB of RAM, data read from SPI flash. Points of two fronts run in the RAM that was predicted and
# give the right output; a published keyword spotter and the least RAM of a published person detector fit where the
# optional models are; what does not fit is refused before anything is flashed, with the number of bytes that are missing.
use strict;
use warnings;
use lib 'tests/e2e';
use Farm;
use JSON::PP ();
use Test::More;

my $ID = 'hifive1b';
$Farm::BOARD = $ID;
my $board = do {
    open my $f, '<:raw', "firmware/boards/$ID/board.json" or die "board.json: $!";
    local $/;
    JSON::PP->new->decode(scalar <$f>);
};
my $limit = $board->{arena_max_bytes};

my $farm = Farm->new;
ok $farm->start_server, 'the server starts' or BAIL_OUT('no server');
ok $farm->start_agent('host-1', virtual => "$ID:1"), 'the agent starts with a virtual board' or BAIL_OUT('no agent');

# Submits the least RAM and $more points spread over what fits; checks every result.
sub measure { my ($file, $name, $more) = @_;
    my $model = $farm->upload($file, $name) or return fail "$name is imported";
    my $front = $farm->get("/models/$model->{id}/front?board=$ID")->{points};
    my @fits  = grep { $_->{fits} } @$front;
    is scalar(grep { $_->{fits} != ($_->{arena_bytes} <= $limit) } @$front), 0, "$name: a point fits in $limit bytes or not";
    ok scalar(@fits), "$name: " . @fits . ' of ' . @$front . ' points fit' or return;
    my %specs = map { $fits[$more ? $_ * $#fits / $more : 0]{spec} => 1 } 0 .. $more;
    my $c = $farm->submit(model => $model->{id}, specs => [sort keys %specs], repeats => 1) or return fail "$name is queued";
    my $done = $farm->wait_done($c->{id}, 300);
    is $done && $done->{jobs}{done}, scalar keys %specs, "$name: every job is done"
        or diag map { "$_->{spec}: $_->{error}{type} $_->{error}{detail}\n" } grep { $_->{error} } $farm->list("/campaigns/$c->{id}/jobs");
    for my $r (sort { $a->{arena_bytes} <=> $b->{arena_bytes} } $farm->list("/campaigns/$c->{id}/results")) {
        is $r->{output}, 'match', "$name in $r->{arena_bytes} bytes: the right output";
        is $r->{arena_bytes}, $r->{predicted_arena_bytes}, "$name in $r->{arena_bytes} bytes: RAM as predicted";
        cmp_ok $r->{arena_bytes} + $r->{stack_bytes} + $r->{static_bytes}, '<=', $board->{ram_bytes}, '  with stack and data in 16 kB';
        note sprintf '%s: arena %d, stack %d, static %d bytes; %d cycles, %d instructions, %.1f ms', $name,
            @$r{qw(arena_bytes stack_bytes static_bytes)}, $r->{cycles}{median}, $r->{instructions}, $r->{ms};
    }
    return ($model, $front);
}

my ($model, $front) = measure("$Farm::MODELS/tiny_mbv2.tflite", 'tiny_mbv2', 5);
measure("$Farm::MODELS/dscnn_kws.tflite", 'dscnn_kws', 2);
if (my $shared = Farm::shared_models()) {
    measure("$shared/files/kws_dscnn_int8.tflite", 'kws_dscnn_int8', 0);
    measure("$shared/files/mcunet_vww1.tflite", 'mcunet_vww1', 0);
}

# What does not fit never reaches the board.
my ($big) = grep { !$_->{fits} } @$front;
my %want = ($big ? ($big->{spec} => $big->{arena_bytes}) : (),
    '0-' . ($model->{layers} - 1) . ':plain' => $model->{plain_arena_bytes});
my ($near) = sort { $b->{arena_bytes} <=> $a->{arena_bytes} } grep { $_->{fits} } @$front;
my $flashes = () = $farm->log_of('host-1') =~ /flash/g;
for my $spec (sort keys %want) {
    cmp_ok $want{$spec}, '>', $limit, "$spec needs $want{$spec} bytes of $limit";
    my ($answer, $status) = $farm->call('POST', '/campaigns', { model => $model->{id}, boards => [$ID], specs => [$spec] });
    is $status, 422, '  and is refused';
    is $answer->{type}, 'does-not-fit', '  with does-not-fit';
    my $missing = $want{$spec} - $limit;
    like $answer->{detail}, qr/\b$missing more than the $limit\b/, "  and the $missing bytes that are missing";
    is $answer->{missing_bytes}, $missing, '  as a number as well';
    is $answer->{nearest}{arena_bytes}, $near->{arena_bytes}, '  and the nearest that fits';
}
is scalar(() = $farm->log_of('host-1') =~ /flash/g), $flashes, 'nothing was flashed for it';

is $farm->stop('host-1'), 0, 'the agent stops';
is $farm->stop('server'), 0, 'the server stops';
is_deeply [$farm->processes], [], 'no process is left';
done_testing;
