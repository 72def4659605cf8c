#!/usr/bin/env perl
# SPDX-License-Identifier: MIT
# `farm plan` and `farm explain`: without a server from a file, and of a server's models and jobs. Both say the same; every
# mistake names the thing and the place.
use strict;
use warnings;
use lib 'tests/http';
use Api;
use Cwd qw(abs_path);
use JSON::PP ();
use Test::More;

my $api  = Api->new;
my $file = "$api->{dir}/tiny.tflite";
Api::write_file($file, Api::network('tiny_mbv2'));
my $farm = abs_path($Api::BIN) . '/farm';
$ENV{FARM_SERVER} = 'http://127.0.0.1:9';    # nobody there

# What a command prints, its exit status, and what it complains of. Runs in another folder: nothing may depend on it.
sub farm { my (@words) = @_;
    my ($out, $err) = ("$api->{dir}/out", "$api->{dir}/err");
    local @ENV{qw(OUT ERR)} = ($out, $err);
    my $status = system 'sh', '-c', 'cd / && exec "$0" "$@" >"$OUT" 2>"$ERR"', $farm, @words;
    my @text = map { open my $f, '<:raw', $_ or die "$_: $!"; local $/; scalar <$f> } $out, $err;
    return ($text[0], $status >> 8, $text[1]);
}

sub farm_json { my ($text, $status, $err) = farm(@_, '--json');
    is $status, 0, "farm @_[0, 1]" or diag $err;
    return eval { JSON::PP->new->decode($text) } // {};
}

# Offline: facts, the front, the answers.
my $plan = farm_json('plan', $file, '--max-overhead', '1.1', '--max-ram', '6000', '--board', 'nucleo-f767zi');
ok $plan->{info}{layers} > 5 && $plan->{info}{macs} > 1000, 'layers and MACs';
my @points = @{ $plan->{points} };
ok @points > 3, scalar(@points) . ' points';
my ($p1) = grep { $_->{overhead} <= 1.1 } @points;
my ($p2) = reverse grep { $_->{arena_bytes} <= 6000 } @points;
is $plan->{p1}{spec}, $p1->{spec}, 'P1: the first with F <= 1.1';
is $plan->{p2}{spec}, $p2->{spec}, 'P2: the last within 6000 bytes';
ok $p1->{predicted_ms} > 0, 'a predicted latency' and ok $p1->{fits}, 'that fits';
my ($text, $status, $err) = farm('plan', $file, '--max-overhead=1.1', '--board', 'hifive1b');
like $text, qr/\Q$plan->{info}{plain_arena_bytes}\E bytes of RAM/, 'the plain RAM in words';
like $text, qr/least RAM with F <= 1.1: .*\Q($p1->{arena_bytes} bytes)\E/, 'the answer in words';
like $text, qr/hifive1b: \d+ of \d+ configurations fit/, 'what fits the board';
($text) = farm('front', $file);
like $text, qr/\Q$points[0]{spec}\E/, 'farm front of a file is offline too';
my $by_ms = farm_json('plan', $file, '--board', 'nucleo-f767zi', '--axis', 'latency');
my @ms = map { $_->{predicted_ms} } @{ $by_ms->{points} };
ok @ms > 3 && !(grep { $ms[$_] >= $ms[$_ - 1] } 1 .. $#ms), 'the front over RAM and predicted latency';
my $vanilla = farm_json('plan', $file, '--strategy', 'vanilla');
is_deeply [map { $_->{arena_bytes} } @{ $vanilla->{points} }], [$plan->{info}{plain_arena_bytes}],
    'the strategy vanilla has the plain run alone';

# The program of the answer.
($text, $status, $err) = farm('plan', $file, '--max-overhead', '1.1', '--board', 'nucleo-f767zi', '--save', "$api->{dir}/p");
is $status, 0, '--save' or diag $err;
open my $f, '<:raw', "$api->{dir}/p" or die $!;
read $f, my $head, 80;
my ($magic, $version, $bytes, undef, $arena) = unpack 'V5', $head;
is_deeply [$magic, $bytes, $arena], [0x5046534D, -s "$api->{dir}/p", $p1->{arena_bytes}], 'is a program of that arena';

# Explained: every moment adds up, and the largest is the arena.
sub adds_up { my ($t) = @_;
    my $most = 0;
    for my $b (@{ $t->{blocks} }) {
        my $fixed = 0;
        $fixed += $_->{bytes} for @{ $b->{parts} };
        return "block $b->{first}: parts" if $fixed != $b->{fixed_bytes};
        for my $m (@{ $b->{moments} }) {
            return "block $b->{first}: step $m->{step}" if $fixed + $m->{output_bytes} + $m->{input_bytes} + $m->{inner_bytes} != $m->{bytes};
            $most = $m->{bytes} if $m->{bytes} > $most;
        }
        return "block $b->{first}: peak" if $b->{moments}[$b->{peak}]{bytes} != $b->{arena_bytes};
    }
    my $peak = $t->{blocks}[$t->{peak}{block}];
    return "peak $most" if $most != $t->{arena_bytes} || $t->{peak}{bytes} != $most;
    return "peak's layer" if $peak->{moments}[$peak->{peak}]{layer} != $t->{peak}{layer};
    return 'yes';
}
for my $point (@points) {
    my $t = farm_json('explain', $file, $point->{spec});
    is adds_up($t), 'yes', "$point->{arena_bytes} bytes add up";
    is $t->{arena_bytes}, $point->{arena_bytes}, 'to what the front says';
}
($text) = farm('explain', $file, '--max-overhead', '1.1');
like $text, qr/bytes of RAM, set by layer \d+ \(\S+.*\) in block \d+/, 'the layer that sets the peak';
like $text, qr/<- the peak/, 'and its block';

# What can be wrong.
sub fails { my ($want_status, $like, @words) = @_;
    my (undef, $got, $said) = farm(@words);
    is $got, $want_status, "farm @words: status" or diag $said;
    like $said, $like, 'says why';
}
fails(2, qr/no board "nope"; there are .*hifive1b/, 'plan', $file, '--board', 'nope');
fails(2, qr/--axis latency needs --board/, 'plan', $file, '--axis', 'latency');
fails(2, qr/--axis takes macs or latency/, 'plan', $file, '--axis', 'time');
fails(2, qr/no strategy "best"; there are vanilla/, 'plan', $file, '--strategy', 'best');
fails(4, qr/block 0-3|layer 4 of/, 'plan', $file, '--spec', '0-3:rows');
fails(4, qr{cannot read /no/such\.tflite}, 'plan', '/no/such.tflite');
fails(4, qr/TFL3/, 'plan', $farm);
fails(2, qr/--save needs --board/, 'plan', $file, '--save', '/tmp/x');
fails(4, qr/no configuration of pareto meets that; the least RAM is \d+/, 'explain', $file, '--max-ram', '100');
fails(4, qr/hifive1b: .*needs \d+ bytes of RAM/, 'plan', $file, '--board', 'hifive1b', '--save', '/tmp/x', '--strategy',
    'vanilla') if $plan->{info}{plain_arena_bytes} > 14656;
fails(2, qr/takes a job of the server/, 'explain', $file, '--measured');

# Of a server.
$api->start or BAIL_OUT('no server');
$ENV{FARM_SERVER} = $api->{url} // "http://127.0.0.1:$api->{port}";
my $model = $api->upload('tiny_mbv2');
my $spec  = $p1->{spec};
(my $escaped = $spec) =~ s/ /%20/g;
my $t = $api->get("/models/$model->{id}/timeline?spec=$escaped");
is_deeply $t, farm_json('explain', $file, $spec), 'the server explains as the file does';
is $api->fails(GET => "/models/$model->{id}/timeline"), '422 bad-field spec', 'no spec';
is $api->fails(GET => "/models/$model->{id}/timeline?spec=0:plain"), '422 bad-field spec', 'a spec that leaves layers out';
my $c = $api->submit(model => $model->{id}, specs => [$spec], repeats => 1);
my ($job) = @{ $api->get("/campaigns/$c->{id}/jobs")->{items} };
is_deeply farm_json('explain', $job->{id}), $t, 'of a job';
is_deeply farm_json('explain', $model->{name}, $spec), $t, 'of a model by name';
fails(2, qr/--measured takes a job that is done/, 'explain', $job->{id}, '--measured');
is $api->measure_all, 1, 'measured';
($text, $status, $err) = farm('explain', $job->{id}, '--measured');
is $status, 0, 'explain --measured' or diag $err;
like $text, qr/^ +0 +\(conv 3x3.*\) +10 +300,000 +250,000 /m, 'layer 0 with calls, cycles and instructions';
like $text, qr/interpreter, between the kernels .* 1,234 +1,000 /, 'the interpreter on its own line';
like $text, qr/layers and interpreter .* 601,234 +501,000 /, 'the sum';
like $text, qr/a run without profile .* 1,000,001 +900,000 /, 'beside a run';
$api->board('quick', latency => { (map { $_ => { product => 1, output => 1, position => 1, call => 9 } }
        qw(plain_conv plain_dwconv sum add pool fed_pool)), interpreter => {}, median_error => 0, worst_error => 0, tested => 0 });
$api->stop;
$api->start or BAIL_OUT('no server');
$ENV{FARM_SERVER} = $api->{url};
($text, $status, $err) = farm('submit', $model->{name}, '--choose', 'next', '--points', '3', '--boards', 'quick');
is $status, 0, 'submit --choose next' or diag $err;
like $text, qr/quick: 0 of \d+ configurations are measured, 3 are chosen, \d+ could matter too; \d+ runs saved/, 'says why';
my $lease_spec = $points[-1]{spec};
$c = $api->submit(model => $model->{id}, specs => [$lease_spec], repeats => 1);
my $lease = $api->lease;
$api->result($lease, profile => undef);
fails(4, qr/no profile/, 'explain', $lease->{job}, '--measured');
fails(4, qr/not-found|There is no such|no job/i, 'explain', '99999');
done_testing;
