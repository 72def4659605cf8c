#!/usr/bin/env perl
# SPDX-License-Identifier: MIT
# Published int8 models on virtual boards: a plain run and eight configurations spread over the front of the NUCLEO-F767ZI,
# and the one with the least RAM on a board of each other core, give the bytes of an independent reference (the golden
# vectors), in the RAM that was predicted. Skipped where the models are missing.
use strict;
use warnings;
use lib 'tests/e2e';
use Compress::Zlib qw(crc32);
use Farm;
use Test::More;

my @MODELS = qw(kws_dscnn_int8 resnet8_int8 person_detect vww_96_int8 mcunet_vww1);
# Where the configuration with the least RAM runs too, and of which models.
my @OTHERS    = qw(esp32c3-devkit esp32s3-devkit hifive1b nucleo-f412zg);
my %ON_OTHERS = map { $_ => 1 } qw(kws_dscnn_int8 mcunet_vww1);
my $shared = Farm::shared_models() or plan skip_all => 'the optional test models are not here (set FARM_MODELS)';

# CRC-32 of the golden output of the int8 core, for the input that a campaign uses by default.
sub golden_crc { my ($name) = @_;
    my $stem = "$shared/golden/$name/c0_uniform";
    my ($file) = grep { -e } "$stem.output_i8.bin", "$stem.output.bin";
    open my $f, '<:raw', $file or die "$file: $!";
    local $/;
    return sprintf '%08x', crc32(scalar <$f>);
}

my $farm = Farm->new;
ok $farm->start_server, 'the server starts' or BAIL_OUT('no server');
ok $farm->start_agent('host-1', virtual => "$Farm::BOARD:2", options => [map { ('--virtual', "$_:1") } @OTHERS]), 'the agent starts'
    or BAIL_OUT('no agent');
ok $farm->wait_until('all rigs', 40, sub { $farm->live_rigs('host-1') == 2 + @OTHERS }), 'with two boards, and one of each other core';

my (%campaign, @others);
for my $name (@MODELS) {
    my $model = $farm->upload("$shared/files/$name.tflite", $name);
    ok $model, "$name is imported" or next;
    my $front  = $farm->get("/models/$model->{id}/front?board=$Farm::BOARD");
    my @fits   = grep { $_->{fits} } @{ $front->{points} };
    my $n      = @fits < 8 ? @fits : 8;
    my @specs  = map { $fits[$n > 1 ? int($_ * $#fits / ($n - 1) + 0.5) : 0]{spec} } 0 .. $n - 1;
    my $plain  = '0-' . ($model->{layers} - 1) . ':plain';
    my %unique = map { $_ => 1 } $plain, @specs;
    $campaign{$name} = $farm->submit(model => $model->{id}, specs => [sort keys %unique], repeats => 1, name => $name);
    ok $campaign{$name}, "$name: " . keys(%unique) . " configurations are queued";
    for my $board ($ON_OTHERS{$name} ? @OTHERS : ()) {
        my ($least) = sort { $a->{arena_bytes} <=> $b->{arena_bytes} }
            grep { $_->{fits} } @{ $farm->get("/models/$model->{id}/front?board=$board")->{points} };
        my $c = $least && $farm->submit(model => $model->{id}, boards => [$board], specs => [$least->{spec}], repeats => 1);
        ok $c, "$name: the configuration with the least RAM is queued for $board" or next;
        push @others, { name => $name, board => $board, id => $c->{id} };
    }
}
for my $name (grep { $campaign{$_} } @MODELS) {
    my $id = $campaign{$name}{id};
    my $c  = $farm->wait_done($id, 400);
    ok $c, "$name: the campaign completes" or next;
    is $c->{jobs}{failed}, 0, "$name: no job failed"
        or diag map { "$_->{spec}: $_->{error}{type} $_->{error}{detail}\n" } grep { $_->{error} } $farm->list("/campaigns/$id/jobs");
    my $crc = golden_crc($name);
    for my $r ($farm->list("/campaigns/$id/results")) {
        is $r->{output_crc32}, $crc, "$name in $r->{arena_bytes} bytes: the golden output";
        is $r->{arena_bytes}, $r->{predicted_arena_bytes}, "$name in $r->{arena_bytes} bytes: RAM as predicted";
    }
}
for my $o (@others) {
    my $c = $farm->wait_done($o->{id}, 400);
    is $c && $c->{jobs}{done}, 1, "$o->{name} on $o->{board}: the job is done"
        or diag map { "$_->{spec}: $_->{error}{type} $_->{error}{detail}\n" } grep { $_->{error} } $farm->list("/campaigns/$o->{id}/jobs");
    my @r = $farm->list("/campaigns/$o->{id}/results");
    is scalar @r, 1, "$o->{name} on $o->{board}: with a result" or next;
    is $r[0]{board}, $o->{board}, "$o->{name} on $o->{board}: of that board";
    is $r[0]{output_crc32}, golden_crc($o->{name}), "$o->{name} on $o->{board} in $r[0]{arena_bytes} bytes: the golden output";
    is $r[0]{arena_bytes}, $r[0]{predicted_arena_bytes}, "$o->{name} on $o->{board}: RAM as predicted";
}
is $farm->stop('host-1'), 0, 'the agent stops';
is $farm->stop('server'), 0, 'the server stops';
is_deeply [$farm->processes], [], 'no process is left';
done_testing;
