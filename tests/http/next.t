#!/usr/bin/env perl
# SPDX-License-Identifier: MIT
# Campaigns that choose what to measure next: on a board whose true latencies are off from the predicted ones, measuring
# what is chosen until nothing is finds the front that measuring everything would find, within the promised part, with
# fewer runs.
use strict;
use warnings;
use lib 'tests/http';
use Api;
use Test::More;

my $api = Api->new;
$api->start or BAIL_OUT('no server');
my $board = 'fast-board';
my $model = $api->upload('tiny_mbv2');
my %wish  = (model => $model->{id}, boards => [$board], choose => 'next', points => 4, repeats => 1);

# Every configuration of both fronts, and what it would really take.
my %candidate;
for my $axis (qw(macs latency)) {
    my $front = $api->get("/models/$model->{id}/front?board=$board&axis=$axis");
    $candidate{ $_->{spec} } = $_ for grep { $_->{fits} } @{ $front->{points} };
}
srand 7;
my %truth = map { $_ => $candidate{$_}{predicted_ms} * 1.04 * (1 + (rand() - 0.5) * 0.004) } sort keys %candidate;

my (%measured, %last);
my $campaigns = 0;
while ($campaigns < 50) {
    my ($c, $status) = $api->post('/campaigns', {%wish});
    if ($status == 409) {
        like $c->{detail}, qr/nothing is left to measure/, 'at last nothing is left, and it says so';
        last;
    }
    is $status, 201, 'a campaign' or last;
    my $choice = $c->{choice}[0];
    %last = %$choice;
    is $choice->{board}, $board, 'chosen for the board';
    is $choice->{candidates}, scalar keys %candidate, 'of both fronts';
    is $choice->{known}, scalar keys %measured, 'what was measured is known';
    is $choice->{known} + $choice->{chosen} + $choice->{left} + $choice->{saved}, $choice->{candidates}, 'sums up';
    my @jobs = @{ $api->get("/campaigns/$c->{id}/jobs")->{items} };
    is scalar @jobs, $choice->{chosen}, 'so many jobs';
    ok @jobs > 0 && @jobs <= 4, 'no more than the budget';
    ok !(grep { exists $measured{ $_->{spec} } } @jobs), 'none twice';
    while (1) {
        my ($lease, $none) = $api->lease(board => $board);
        last if $none == 204;
        my $spec = $api->get("/jobs/$lease->{job}")->{spec};
        my ($verdict) = $api->result($lease, runs => [{ cycles => int($truth{$spec} * 200_000) }]);
        is $verdict->{verdict}, 'match', 'measured';
        $measured{$spec} = $truth{$spec};
    }
    $campaigns++;
}
ok $campaigns > 1, "$campaigns campaigns";
ok keys(%measured) < keys(%candidate), scalar(keys %measured) . ' runs instead of ' . keys %candidate;
ok $last{saved} > 0, "the last campaign says that $last{saved} runs were saved";
for my $spec (sort { $candidate{$a}{arena_bytes} <=> $candidate{$b}{arena_bytes} } keys %candidate) {
    my ($best) = sort { $a <=> $b }
        map { $measured{$_} } grep { $candidate{$_}{arena_bytes} <= $candidate{$spec}{arena_bytes} } keys %measured;
    ok defined $best && $best * 0.99 <= $truth{$spec} + 1e-9, "$candidate{$spec}{arena_bytes} bytes: within 1 %";
}

# Another firmware: what was measured with the old one counts no more.
my ($spec) = sort keys %measured;
my $c = $api->submit(model => $model->{id}, boards => [$board], specs => [$spec], repeats => 1);
my $lease = $api->lease(board => $board);
$api->result($lease, 'hello.firmware' => 'cd' x 20, runs => [{ cycles => int($truth{$spec} * 200_000) }]);
($c) = $api->post('/campaigns', {%wish});
is $c->{choice}[0]{known}, 1, 'a new firmware is measured anew';

# What can be wrong.
is $api->fails(POST => '/campaigns', { %wish, choose => 'best' }), '422 bad-field choose', 'an unknown way to choose';
is $api->fails(POST => '/campaigns', { %wish, strategies => ['vanilla'] }), '422 bad-field choose', 'not of a strategy';
is $api->fails(POST => '/campaigns', { %wish, boards => [$Api::BOARD] }), '422 bad-field boards[0]', 'no predictions';
done_testing;
