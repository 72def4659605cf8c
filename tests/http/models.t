#!/usr/bin/env perl
# SPDX-License-Identifier: MIT
# Models: upload, look up, list, fronts and configurations; everything that can be wrong with them.
use strict;
use warnings;
use lib 'tests/http';
use Api;
use Digest::SHA qw(sha256_hex);
use Test::More;

my $api = Api->new;
ok $api->start, 'the server starts' or BAIL_OUT('no server');

my $bytes = Api::network('dscnn_kws');
my $id    = sha256_hex($bytes);
my ($m, $status, $h) = $api->post('/models?name=kws', $bytes);
is $status, 201, 'an upload is created';
is $h->{location}, "/api/v1/models/$id", 'its Location';
is $m->{id}, $id, 'a model is its SHA-256';
is $m->{bytes}, length $bytes, 'bytes';
is_deeply [@{ $m->{input} }{qw(h w c bytes)}], [49, 10, 1, 490], 'input shape';
is $m->{output}{c}, 12, 'output shape';
like $m->{macs}, qr/^\d+$/, 'MACs are a string of digits';
like $m->{created}, qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/, 'time is RFC 3339 with milliseconds';
my ($again, $status2) = $api->post('/models?name=other', $bytes);
is $status2, 200, 'the same bytes again are not created again';
is_deeply $again, $m, 'and keep name and time';
is_deeply scalar $api->get("/models/$id"), $m, 'GET shows the same';

my (undef, $s, $headers) = $api->get("/models/$id");
(undef, $s) = $api->get("/models/$id", 'If-None-Match' => $headers->{etag});
is $s, 304, 'an unchanged model is 304';
(undef, $s) = $api->get("/models/$id", 'If-None-Match' => '"other"');
is $s, 200, 'another tag is 200';
my ($file, $fs, $fh) = $api->get("/models/$id/file");
is sha256_hex($file), $id, 'the file comes back byte for byte';
like $fh->{'cache-control'}, qr/immutable/, 'and may be kept';
(undef, $fs) = $api->get("/models/$id/file", 'If-None-Match' => $fh->{etag});
is $fs, 304, 'its tag works too';

my $layers = $api->get("/models/$id/layers");
is scalar @$layers, $m->{layers}, 'as many layers as said';
ok $layers->[0]{op} && $layers->[0]{in}, 'with operators and shapes';

# Fronts
my $front = $api->get("/models/$id/front");
my @points = @{ $front->{points} };
ok @points >= 1, scalar(@points) . ' points';
is_deeply [map { $_->{arena_bytes} } @points], [sort { $a <=> $b } map { $_->{arena_bytes} } @points], 'by rising RAM';
ok !(grep { $_->{arena_bytes} > $m->{plain_arena_bytes} } @points), 'no point needs more RAM than plain execution';
is $front->{p1}, undef, 'no P1 unless asked';
my ($tiny) = $api->upload('tiny_mbv2');
my $t = $api->get("/models/$tiny->{id}/front?board=fast-board&max_overhead=1.05&max_ram=9000");
my ($p1) = grep { $_->{overhead} <= 1.05 } @{ $t->{points} };
is_deeply $t->{p1}, $p1, 'P1 is the first point within the overhead';
my @small = grep { $_->{arena_bytes} <= 9000 } @{ $t->{points} };
is_deeply $t->{p2}, $small[-1], 'P2 is the last point within the RAM';
ok !(grep { !($_->{predicted_ms} > 0) } @{ $t->{points} }), 'a board with coefficients has predicted times';
is $points[0]{predicted_ms}, undef, 'without a board there are none';
my $none = $api->get("/models/$tiny->{id}/front?board=no-ram");
ok !(grep { $_->{fits} } @{ $none->{points} }), 'nothing fits 100 bytes';
my $again_front = $api->get("/models/$tiny->{id}/front?board=fast-board&max_overhead=1.05&max_ram=9000");
is_deeply $again_front, $t, 'the cached front is the same';

# The front over RAM and predicted latency: by rising RAM and falling latency, and nowhere slower than the other front.
my $by_ms = $api->get("/models/$tiny->{id}/front?board=fast-board&axis=latency&max_ram=9000");
is_deeply [@$by_ms{qw(axis prediction)}], ['latency', { median_error => 0.02, worst_error => 0.1, tested => 7 }],
    'what predictions are worth stands beside them';
is $api->get("/models/$tiny->{id}/front")->{prediction}, undef, 'without a board there are none';
my @ms = @{ $by_ms->{points} };
ok @ms > 3, scalar(@ms) . ' points over RAM and latency';
ok !(grep { $ms[$_]{arena_bytes} <= $ms[$_ - 1]{arena_bytes} || $ms[$_]{predicted_ms} >= $ms[$_ - 1]{predicted_ms} } 1 .. $#ms),
    'RAM rises, latency falls';
is_deeply $api->get("/models/$tiny->{id}/front?board=fast-board&axis=latency")->{points}, $by_ms->{points}, 'asked again, the same';
is scalar(() = $api->log =~ /on fast-board: latency front of/g), 1, '... without being computed again';
for my $point (grep { $_->{spec} !~ /cells|groups/ } @{ $t->{points} }) {
    my ($best) = reverse grep { $_->{arena_bytes} <= $point->{arena_bytes} } @ms;
    ok $best && $best->{predicted_ms} <= $point->{predicted_ms} * 1.000001, "$point->{arena_bytes} bytes: no slower";
}
my ($fastest) = reverse grep { $_->{arena_bytes} <= 9000 } @ms;
is $by_ms->{p2}{spec}, $fastest->{spec}, 'P2 is the fastest within the RAM';

# Configurations
my $plain = join ' ', map { "$_:plain" } 0 .. $tiny->{layers} - 1;
(my $q = $plain) =~ s/ /%20/g;
my $config = $api->get("/models/$tiny->{id}/config?spec=$q&board=fast-board");
is $config->{arena_bytes}, $tiny->{plain_arena_bytes}, 'the plain configuration needs what the model says';
is $config->{macs}, $tiny->{macs}, 'and computes what the model says';
is scalar @{ $config->{block_list} }, $tiny->{layers}, 'one block a layer';

# What can be wrong
my $ghost = 'f' x 64;
is $api->fails(GET => "/models/$ghost"), '404 not-found', 'unknown model';
is $api->fails(GET => '/models/xyz'), '404 not-found', 'not an id';
is $api->fails(GET => "/models/$ghost/front"), '404 not-found', 'front of an unknown model';
is $api->fails(GET => "/models/$ghost/layers"), '404 not-found', 'layers of an unknown model';
is $api->fails(GET => "/models/$ghost/file"), '404 not-found', 'file of an unknown model';
is $api->fails(GET => "/models/$id/front?board=nope"), '422 unknown-board board', 'unknown board';
is $api->fails(GET => "/models/$id/front?axis=latency"), '422 bad-field board', 'latency of which board?';
is $api->fails(GET => "/models/$id/front?axis=latency&board=$Api::BOARD"), '422 bad-field board', 'a board without coefficients';
is $api->fails(GET => "/models/$id/front?axis=time&board=fast-board"), '422 bad-field axis', 'unknown axis';
is $api->fails(GET => "/models/$id/front?max_ram=lots"), '422 bad-field max_ram', 'RAM that is not a number';
is $api->fails(GET => "/models/$id/front?max_overhead=-1"), '422 bad-field max_overhead', 'negative overhead';
is $api->fails(GET => "/models/$id/front?max_overhead=nan"), '422 bad-field max_overhead', 'overhead that is no number';
is $api->fails(GET => "/models/$id/front?max_rma=1"), '422 bad-field max_rma', 'a misspelt parameter is not ignored';
is $api->fails(GET => "/models/$id/front?max_ram=1&max_ram=2"), '422 bad-field max_ram', 'a parameter twice';
is $api->fails(GET => "/models/$id/config"), '422 bad-field spec', 'no spec';
is $api->fails(GET => "/models/$id/config?spec=0-1:sideways"), '422 bad-field spec', 'unknown schedule';
is $api->fails(GET => "/models/$id/config?spec=0:plain"), '422 bad-field spec', 'a spec that leaves layers out';
is $api->fails(POST => '/models', ''), '422 bad-model', 'an empty body';
is $api->fails(POST => '/models', 'x' x 5000), '422 bad-model', 'not a model';
is $api->fails(POST => '/models?name=' . 'n' x 200, $bytes), '422 bad-field name', 'a name that is too long';
is $api->fails(POST => '/models?name=a%0Ab', $bytes), '422 bad-field name', 'a name with a line feed';
my $bad = 0;
for my $n (1 .. 60) {
    my $cut = substr $bytes, 0, int(length($bytes) * $n / 61);
    $bad++ if $api->fails(POST => '/models', $cut) !~ /^422 (bad-model|unsupported-op)/;
}
is $bad, 0, 'truncated models are refused at every length';
srand 7;
my ($refused, $other) = (0, 0);
for (1 .. 60) {
    my $broken = $bytes;
    substr($broken, int rand(length $broken), 1) = chr int rand 256 for 1 .. 40;
    my (undef, $st) = $api->post('/models?name=broken', $broken);
    $st == 422 ? $refused++ : $st =~ /^20[01]$/ ? 0 : $other++;
}
is $other, 0, "damaged models are refused ($refused) or are models";
is $api->get('!/healthz')->{status}, 'ok', 'the server lives';
ok !(grep { $_->{name} eq 'kws' && $_->{id} ne $id } @{ $api->get('/models?limit=1000')->{items} }), 'no refused model is listed';

# Lists
$api->post("/models?name=m$_", Api::network('lenet5', $_)) for 1 .. 5;
my (@all, $cursor);
do {
    my $page = $api->get('/models?limit=2' . (defined $cursor ? "&cursor=$cursor" : ''));
    ok @{ $page->{items} } <= 2, 'a page has at most two';
    push @all, @{ $page->{items} };
    $cursor = $page->{next};
} while defined $cursor;
my $whole = $api->get('/models?limit=1000');
is_deeply [map { $_->{id} } @all], [map { $_->{id} } @{ $whole->{items} }], 'pages make up the whole list';
is $whole->{next}, undef, 'the last page says so';
is_deeply [map { $_->{name} } @all[0 .. 4]], [qw(m5 m4 m3 m2 m1)], 'newest first';
is $api->fails(GET => '/models?limit=0'), '422 bad-field limit', 'limit 0';
is $api->fails(GET => '/models?limit=1001'), '422 bad-field limit', 'limit 1001';
is $api->fails(GET => '/models?cursor=%27--'), '422 bad-field cursor', 'a cursor that is none';

is $api->stop, 0, 'SIGTERM ends it well';
unlike $api->log, qr/Sanitizer|runtime error/, 'the sanitizers found nothing';
done_testing;
