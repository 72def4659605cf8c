#!/usr/bin/env perl
# SPDX-License-Identifier: MIT
# tools/bench on a small network: the rows that it prints for a board, held against the bare core's count; and front-fastest,
# which chooses what it runs: within the limits, the fastest first, with the output outside the arena where that is asked for.
use strict;
use warnings;
use lib 'tests/e2e';
use Farm;
use Test::More;

my $images = ($ENV{FARM_BUILD} // 'build') . '/kernels';
my $model  = "$Farm::MODELS/lenet5.tflite";
my @lines = `tools/bench --parts boards,quarter --boards $Farm::BOARD $model`;
is $?, 0, 'tools/bench' or diag @lines;
my %row;
for (@lines) {
    next unless /^  \Q$Farm::BOARD\E +(\S.*?) {2,}([\d,]+) +([\d.]+) +([\d,]+) +[\d.]+ +([\d.]+)% +[\d.]+ (\w+)/;
    (my $instructions = $4) =~ tr/,//d;
    $row{$_} = { F => $3, instructions => $instructions, between => $5, output => $6 } for split /, /, $1;
}
is_deeply [sort keys %row], ['F <= 1.1', 'F = 1', 'least', 'plain'], 'plain and three points of the front' or diag @lines;
is_deeply [grep { $row{$_}{output} ne 'match' } keys %row], [], 'all outputs match';
cmp_ok $row{plain}{between}, '>', 0, "between kernels: $row{plain}{between} % of a plain run";
my $farm = Farm->new;
my $dir  = $farm->{dir};
system "$Farm::BIN/kernel-cases model $model armv7em $dir/cases > $dir/used";
my ($bare) = `$Farm::BIN/kernel-run cortex-m7 $dir/cases $images/cortex-m7.bin` =~ /: (\d+) instructions, /;
cmp_ok abs($row{plain}{instructions} / ($bare || 1) - 1), '<', 0.005, "plain: $row{plain}{instructions} on the board, $bare on the bare core";
like join('', @lines), qr/^  quarter: /m, 'and what a quarter of the RAM costs';

for my $case (['', 9000, 1.1], ['', 1000, 9], ['--outside', 4000, 2]) {
    my ($option, $arena, $f) = @$case;
    my @picks = map { chomp; [split /\t/] } `$Farm::BIN/front-fastest $option $Farm::MODELS/tiny_mbv2.tflite $Farm::BOARD $arena $f 3`;
    my $what = "front-fastest $option $arena B, F <= $f";
    if ($arena < 2000) {
        is scalar @picks, 0, "$what: nothing needs so little";
        next;
    }
    cmp_ok scalar @picks, '>=', 2, "$what: " . scalar(@picks) . ' configurations';
    is_deeply [grep { $_->[1] > $arena || $_->[2] > $f } @picks], [], '  within the limits';
    is_deeply [map { $_->[0] } @picks], [sort { $a <=> $b } map { $_->[0] } @picks], '  the fastest first';
    is scalar(grep { $_->[3] =~ / output:outside$/ } @picks), $option ? scalar @picks : 0, '  the output where it was asked for';
}
done_testing;
