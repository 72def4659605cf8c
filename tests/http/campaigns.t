#!/usr/bin/env perl
# SPDX-License-Identifier: MIT
# Campaigns: made from points or specs, measured by a fake agent, listed, cancelled; what is refused and why.
use strict;
use warnings;
use lib 'tests/http';
use Api;
use Test::More;
use Time::HiRes qw(time);

my $api = Api->new;
ok $api->start, 'the server starts' or BAIL_OUT('no server');
my $model = $api->upload('tiny_mbv2');
my $front = $api->get("/models/$model->{id}/front");
my $plain = '0-' . ($model->{layers} - 1) . ':plain';
my $long_plain = join ' ', map { "$_:plain" } 0 .. $model->{layers} - 1;

# One campaign from end to end
my ($c, $status, $h) = $api->post('/campaigns',
    { model => $model->{id}, boards => [$Api::BOARD], points => 5, repeats => 4, name => 'first',
        input => { kind => 'walk', seed => 99 } });
is $status, 201, 'a campaign is created';
is $h->{location}, "/api/v1/campaigns/$c->{id}", 'its Location';
is_deeply $c->{jobs}, { queued => 5, leased => 0, done => 0, failed => 0, cancelled => 0 }, 'five jobs';
is_deeply [@$c{qw(name model_name state repeats finished)}], ['first', 'tiny_mbv2', 'running', 4, undef], 'its members';
is_deeply $c->{input}, { kind => 'walk', seed => 99 }, 'its input';
my $jobs = $api->get("/campaigns/$c->{id}/jobs")->{items};
is scalar @$jobs, 5, 'they are listed';
is $jobs->[0]{spec}, $front->{points}[0]{spec}, 'from the point of least RAM';
is $jobs->[4]{spec}, $front->{points}[-1]{spec}, 'to the point of least work';
is $jobs->[0]{predicted}{arena_bytes}, $front->{points}[0]{arena_bytes}, 'with their prediction';

my ($lease, $ls) = $api->lease;
is $ls, 200, 'a lease';
is_deeply [@$lease{qw(job attempt rig board campaign repeats deadline_s)}],
    [$jobs->[0]{id}, 1, 'rig-1', $Api::BOARD, $c->{id}, 4, 30], 'of the first job';
my ($program) = $api->get("!$lease->{program_url}");
is length $program, $lease->{program_bytes}, 'the program has the size that the lease says';
is sprintf('%08x', unpack 'x12 V', $program), $lease->{program_crc32}, 'and its header the CRC';
my $job = $api->get("/jobs/$lease->{job}");
is_deeply [@$job{qw(state rig attempts phase)}], ['leased', 'rig-1', 1, undef], 'the job is leased';
my ($beat, $bs) = $api->post("/agent/jobs/$lease->{job}/heartbeat",
    { lease => $lease->{lease}, phase => 'flashing', progress => 0.25, log => "line one\n" });
is $bs, 200, 'a heartbeat';
is $beat->{deadline_s}, 30, 'is told the deadline';
$api->post("/agent/jobs/$lease->{job}/heartbeat",
    { lease => $lease->{lease}, phase => 'running', progress => 0.5, log => "line \"two\" \x{20ac}\n" });
$job = $api->get("/jobs/$lease->{job}");
is_deeply [@$job{qw(phase progress)}], ['running', 0.5], 'phase and progress are shown';
my ($log, undef, $lh) = $api->get("/jobs/$lease->{job}/log");
is $log, "line one\nline \"two\" \xe2\x82\xac\n", 'the log is kept';
like $lh->{'content-type'}, qr{^text/plain}, 'as plain text';
my ($verdict, $rs) = $api->result($lease);
is_deeply [$rs, $verdict], [200, { verdict => 'match' }], 'a right result';
$job = $api->get("/jobs/$lease->{job}");
is_deeply [@$job{qw(state progress phase error)}], ['done', 1, undef, undef], 'the job is done';
my $r = $job->{result};
is_deeply $r->{cycles}, { min => '1000001', median => '1000002', max => '1000004' }, 'cycles of four runs';
is $r->{ms}, 5.00001, 'ms = median / clock';
is_deeply [@$r{qw(instructions emulated timing timing_version output arena_bytes)}],
    ['900000', JSON::PP::true, 'test', 1, 'match', $job->{predicted}{arena_bytes}], 'and the rest of it';
is_deeply $r->{block_cycles}, ['600000'], 'block cycles';
is_deeply $r->{profile}, {
    layers => [map { { layer => $_, calls => 10, cycles => '300000', instructions => '250000' } } 0, 1],
    interpreter => { calls => 20, cycles => '1234', instructions => '1000' },
    blocks => [{ cycles => '600000', instructions => undef }],
}, 'the profile';
is_deeply scalar $api->get("/results/$r->{id}"), $r, 'GET /results/{id} shows the same';
is $api->measure_all, 4, 'the other four are measured';
$c = $api->get("/campaigns/$c->{id}");
is_deeply [@$c{qw(state jobs)}], ['done', { queued => 0, leased => 0, done => 5, failed => 0, cancelled => 0 }], 'the campaign is done';
ok $c->{finished} ge $c->{created}, 'and says when';

# Strategies: each brings its own points, a configuration that two of them offer is measured once
is_deeply [$c->{strategies}, $c->{omitted}, $job->{strategies}, $r->{strategies}], [['pareto'], [], ['pareto'], ['pareto']],
    'who chose is told by campaign, job and result';
my @names = qw(vanilla mcunetv2 streamnet msfcnn msfcnn-paper pareto);
my %offers = map { my $f = $api->get("/models/$model->{id}/front?strategy=$_"); $_ => $f->{points} } @names;
is_deeply [map { $offers{$_}[0]{spec} } qw(vanilla pareto)], [$plain, $front->{points}[0]{spec}], 'fronts by strategy';
like $offers{mcunetv2}[0]{spec}, qr/^0-\d+:patch\d+ \S+:plain$/, 'MCUNetV2: patches, then plain layers';
like $offers{streamnet}[0]{spec}, qr/^0-\d+:rows \S+:plain$/, 'StreamNet: rows, then plain layers';
like $offers{msfcnn}[0]{spec}, qr/^(\S+:(cols1|plain) ?)+$/, 'msf-CNN: bands of one row';
my ($sc) = $api->post('/campaigns',
    { model => $model->{id}, boards => [$Api::BOARD], points => 3, strategies => [reverse @names] });
is_deeply $sc->{strategies}, \@names, 'a campaign of all strategies';
my $sj = $api->get("/campaigns/$sc->{id}/jobs?limit=200")->{items};
my %seen;
$seen{ $_->{spec} }++ for @$sj;
ok !(grep { $_ > 1 } values %seen), 'no configuration twice';
for my $s (@names) {
    my @mine = grep { grep { $_ eq $s } @{ $_->{strategies} } } @$sj;
    my %offered = map { $_->{spec} => 1 } @{ $offers{$s} };
    my $n = @{ $offers{$s} } < 3 ? scalar @{ $offers{$s} } : 3;
    is scalar(grep { $offered{ $_->{spec} } } @mine), $n, "$s: $n points of its own front";
}
is $api->measure_all, scalar @$sj, 'they are measured';
my $sf = $api->get("/campaigns/$sc->{id}/front");
for my $j (@$sj) {
    my ($p) = grep { $_->{spec} eq $j->{spec} } @{ $sf->{points} };
    my %want = map { $_ => 1 } @{ $j->{strategies} }, $p->{on_front} ? 'pareto' : ();
    is_deeply { map { $_ => 1 } @{ $p->{strategies} } }, \%want, "$j->{spec}: the front says who chose it";
    is scalar @{ $p->{measured} }, 1, 'measured';
}
my ($by_spec) = $api->post('/campaigns', { model => $model->{id}, boards => [$Api::BOARD], specs => [$plain] });
is_deeply [$by_spec->{strategies}, $api->get("/campaigns/$by_spec->{id}/jobs")->{items}[0]{strategies}], [[], []],
    'chosen configurations have none';
$api->measure_all;
for ([['magic'], 'must be vanilla'], [['pareto', 'pareto'], 'given twice'], [[], 'is empty']) {
    my ($e, $es) = $api->post('/campaigns', { model => $model->{id}, boards => [$Api::BOARD], strategies => $_->[0] });
    is $es, 422, "strategies [@{ $_->[0] }]: refused";
    like "$e->{field} $e->{detail}", qr/^strategies.*$_->[1]/, 'by name';
}
my ($named_both, $both_status) = $api->post('/campaigns',
    { model => $model->{id}, boards => [$Api::BOARD], strategies => ['pareto'], specs => [$plain] });
is_deeply [$both_status, $named_both->{field}], [422, 'strategies'], 'not together with specs';

# The measured front
my $mf = $api->get("/campaigns/$c->{id}/front?max_ram=9000&max_overhead=1.1");
is scalar @{ $mf->{points} }, scalar @{ $front->{points} }, 'the measured front has all points of the model';
my @measured = grep { @{ $_->{measured} } } @{ $mf->{points} };
is scalar @measured, 5, 'five of them measured';
is_deeply [@{ $measured[0]{measured}[0] }{qw(board ms cycles output emulated)}],
    [$Api::BOARD, 5.00001, '1000002', 'match', JSON::PP::true], 'with their figures';
is $mf->{board}, $Api::BOARD, 'the only board is the default';
my $direct = $api->get("/models/$model->{id}/front?max_ram=9000&max_overhead=1.1");
is $mf->{p1}{spec}, $direct->{p1}{spec}, 'P1 as for the model';
is $mf->{p2}{spec}, $direct->{p2}{spec}, 'P2 as for the model';

# Explicit specs, also off the front, each once
my $two = $api->submit(model => $model->{id}, specs => [$plain, $front->{points}[0]{spec}, $long_plain], repeats => 1);
is $two->{jobs}{queued}, 2, 'a configuration that is given in two spellings is measured once';
is $two->{repeats}, 1, 'repeats';
is $api->measure_all, 2, 'measured';
$mf = $api->get("/campaigns/$two->{id}/front");
my ($off) = grep { !$_->{on_front} } @{ $mf->{points} };
is $off->{spec}, $plain, 'the plain configuration is there although it is off the front';
is scalar @{ $off->{measured} }, 1, 'with its result';
is $off->{arena_bytes}, $model->{plain_arena_bytes}, 'and its price';

# Several boards; those with coefficients have predictions
my $both = $api->submit(model => $model->{id}, boards => [$Api::BOARD, 'fast-board'], points => 3);
is $both->{jobs}{queued}, 6, 'three points on two boards';
my @ms = map { $_->{predicted}{ms} } @{ $api->get("/campaigns/$both->{id}/jobs")->{items} };
is scalar(grep { defined } @ms), 3, 'the board with coefficients has predicted times';

# Boards on which not all fits
my $fitting = grep { $_->{arena_bytes} <= 6000 } @{ $front->{points} };
ok $fitting, 'some points of the front are that small';
my $some = $api->submit(model => $model->{id}, boards => ['small-ram'], points => 200);
is $some->{jobs}{queued}, $fitting, 'only the points that fit are picked';
is $api->fails(DELETE => "/campaigns/$some->{id}"), '200 without a problem', 'cancelled';
my $request = { model => $model->{id}, boards => ['no-ram'], points => 4 };
is $api->fails(POST => '/campaigns', $request), '422 does-not-fit boards[0]', 'nothing fits';
my ($problem) = $api->post('/campaigns', $request);
like $problem->{detail}, qr/needs \d+ bytes of RAM, \d+ more than the 100 that there are beside stack and data$/, 'it says how many bytes are missing';
my ($least) = sort { $a <=> $b } map { $_->{arena_bytes} } @{ $front->{points} };
is_deeply [@{$problem}{qw(board memory needed_bytes available_bytes missing_bytes least_bytes nearest)}],
    ['no-ram', 'ram', $least, 100, $least - 100, $least, undef], '... as numbers; nothing is near';
$request = { model => $model->{id}, boards => ['small-ram'], specs => [$front->{points}[0]{spec}, $plain] };
my $want = $front->{points}[0]{arena_bytes} <= 6000 ? 1 : 0;
is $api->fails(POST => '/campaigns', $request), "422 does-not-fit specs[$want]", 'the spec that does not fit is named';
($problem) = $api->post('/campaigns', $request);
my ($near) = sort { $b->{arena_bytes} <=> $a->{arena_bytes} } grep { $_->{arena_bytes} <= 6000 } @{ $front->{points} };
is_deeply [@{$problem}{qw(memory needed_bytes available_bytes missing_bytes)}],
    ['ram', $model->{plain_arena_bytes}, 6000, $model->{plain_arena_bytes} - 6000], 'the bytes that are missing';
is_deeply $problem->{nearest}, { spec => $near->{spec}, arena_bytes => $near->{arena_bytes}, overhead => $near->{overhead} },
    'the nearest that fits is the largest point of the front that does';
like $problem->{detail}, qr/the nearest that fits takes $near->{arena_bytes} at F \d\.\d{3}: "\Q@{[substr $near->{spec}, 0, 60]}\E"/, '... in words as well';
is $api->submit(model => $model->{id}, boards => ['small-ram'], specs => [$problem->{nearest}{spec}])->{jobs}{queued}, 1,
    '... and it does fit';
$request = { model => $model->{id}, boards => ['small-flash'], points => 4 };
is $api->fails(POST => '/campaigns', $request), '422 does-not-fit boards[0]', 'a program that is too large';
($problem) = $api->post('/campaigns', { %$request, points => undef, specs => [$plain] });
like $problem->{detail}, qr/the program of .* has \d+ bytes, \d+ more than the 2000 that its flash of \d+ has room for/, 'by how many bytes';
is_deeply [@{$problem}{qw(board memory available_bytes nearest)}], ['small-flash', 'flash', 2000, undef], '... as numbers';
is $problem->{missing_bytes}, $problem->{needed_bytes} - 2000, '... which add up';
cmp_ok $problem->{least_bytes}, '<=', $problem->{needed_bytes}, '... with the smallest program of this model';
cmp_ok $problem->{least_bytes}, '>', 2000, '... which is too large as well';

# Idempotency
my $body = { model => $model->{id}, boards => [$Api::BOARD], points => 2 };
my ($k1, $ks1) = $api->post('/campaigns', $body, 'Idempotency-Key' => 'key-1');
my ($k2, $ks2, $kh) = $api->post('/campaigns', $body, 'Idempotency-Key' => 'key-1');
is_deeply [$ks1, $ks2, $k2->{id}], [201, 200, $k1->{id}], 'the same key and request make one campaign';
is $kh->{location}, "/api/v1/campaigns/$k1->{id}", 'both with its Location';
is $api->fails(POST => '/campaigns', { %$body, points => 3 }, 'Idempotency-Key' => 'key-1'), '409 conflict',
    'the same key with another request is refused';
my ($k3) = $api->post('/campaigns', $body, 'Idempotency-Key' => 'key-2');
isnt $k3->{id}, $k1->{id}, 'another key makes another';
is $api->fails(POST => '/campaigns', $body, 'Idempotency-Key' => 'x' x 128), '400 bad-request Idempotency-Key',
    'a key that is too long';

my @racers = map {
    my $pid = open(my $child, '-|') // die "fork: $!";
    if ($pid == 0) {
        $api->{pid} = undef;
        my ($made, $st) = $api->post('/campaigns', $body, 'Idempotency-Key' => 'race');
        print "$st $made->{id}\n";
        close STDOUT;
        POSIX::_exit(0);
    }
    $child;
} 1 .. 6;
my @raced = map { my $line = <$_>; close $_; [split ' ', $line] } @racers;
is scalar(keys %{ { map { $_->[1] => 1 } @raced } }), 1, 'six at once with one key make one campaign';
is scalar(grep { $_->[0] == 201 } @raced), 1, '... which is created once';
is $api->fails(DELETE => "/campaigns/$raced[0][1]"), '200 without a problem', '... and cancelled';

# Cancel
my ($cancelled, $cs) = $api->call(DELETE => "/campaigns/$k1->{id}");
is_deeply [$cs, $cancelled->{state}, @{ $cancelled->{jobs} }{qw(failed cancelled)}], [200, 'done', 2, 2], 'a cancelled campaign is over';
is $api->get("/campaigns/$k1->{id}/jobs")->{items}[0]{error}{type}, 'cancelled', 'its jobs say why';
is((($api->call(DELETE => "/campaigns/$k1->{id}"))[1]), 200, 'cancelling again changes nothing');
is $api->fails(DELETE => '/campaigns/9999'), '404 not-found', 'cancelling what does not exist';

# Lists
my $list = $api->get('/campaigns?limit=1000');
my (@all, $cursor);
do {
    my $page = $api->get('/campaigns?limit=2' . (defined $cursor ? "&cursor=$cursor" : ''));
    push @all, @{ $page->{items} };
    $cursor = $page->{next};
} while defined $cursor;
is_deeply [map { $_->{id} } @all], [map { $_->{id} } @{ $list->{items} }], 'pages make up the whole list';
is_deeply [map { $_->{id} } @all], [sort { $b <=> $a } map { $_->{id} } @all], 'newest first';
is scalar @{ $api->get('/campaigns?model=' . 'a' x 64)->{items} }, 0, 'none of another model';
is scalar @{ $api->get("/campaigns?model=$model->{id}&limit=1000")->{items} }, scalar @all, 'all of this one';
@all = ();
$cursor = undef;
do {
    my $page = $api->get("/campaigns/$both->{id}/jobs?limit=4" . (defined $cursor ? "&cursor=$cursor" : ''));
    push @all, map { $_->{id} } @{ $page->{items} };
    $cursor = $page->{next};
} while defined $cursor;
is scalar @all, 6, 'pages of jobs';
is_deeply \@all, [sort { $a <=> $b } @all], 'oldest first';
my $rp = $api->get("/campaigns/$c->{id}/results?limit=3");
is scalar @{ $rp->{items} }, 3, 'pages of results';
is scalar @{ $api->get("/campaigns/$c->{id}/results?limit=3&cursor=$rp->{next}")->{items} }, 2, 'and the rest';

# What can be wrong
sub bad { my ($want, $what, %change) = @_;
    my %b = (model => $model->{id}, boards => [$Api::BOARD], points => 2, %change);
    delete @b{ grep { !defined $b{$_} } keys %b };
    is $api->fails(POST => '/campaigns', \%b), "422 $want", $what;
}
bad('bad-field model', 'no model', model => undef);
bad('bad-field model', 'a model that is no id', model => 'kws');
bad('bad-field model', 'an unknown model', model => 'e' x 64);
bad('bad-field boards', 'no boards', boards => undef);
bad('bad-field boards', 'an empty list of boards', boards => []);
bad('unknown-board boards[1]', 'an unknown board', boards => [$Api::BOARD, 'nope']);
bad('bad-field boards[0]', 'a board that is no id', boards => ['../etc']);
bad('bad-field boards[1]', 'a board twice', boards => [$Api::BOARD, $Api::BOARD]);
bad('bad-field boards[0]', 'a board that is no string', boards => [7]);
bad('bad-field points', 'no points', points => 0);
bad('bad-field points', 'too many points', points => 201);
bad('bad-field points', 'half a point', points => 1.5);
bad('bad-field points', 'points and specs', specs => [$plain]);
bad('bad-field specs', 'no specs', points => undef, specs => []);
bad('bad-field specs[1]', 'a wrong spec', points => undef, specs => [$plain, '0-3:zigzag']);
bad('bad-field specs[0]', 'a spec that is too long', points => undef, specs => ['0:plain ' x 400]);
bad('bad-field repeats', 'no repeats', repeats => 0);
bad('bad-field repeats', 'too many repeats', repeats => 101);
bad('bad-field input.kind', 'an unknown input', input => { kind => 'photo' });
bad('bad-field input.seed', 'a seed that never changes', input => { seed => 0 });
bad('bad-field input.size', 'an unknown field inside', input => { size => 3 });
bad('bad-field name', 'a name with control characters', name => "a\tb");
bad('bad-field colour', 'an unknown field', colour => 'red');
is $api->fails(GET => '/campaigns/9999'), '404 not-found', 'unknown campaign';
is $api->fails(GET => '/campaigns/abc'), '404 not-found', 'not a number';
is $api->fails(GET => '/campaigns/9999/events'), '404 not-found', 'events of an unknown campaign';
is $api->fails(GET => "/jobs/99999"), '404 not-found', 'unknown job';
is $api->fails(GET => "/results/99999"), '404 not-found', 'unknown result';

# Planning does not hold up everybody else
my $large = $api->upload('mcunet_320k_r176');
my $pid   = open(my $child, '-|') // die "fork: $!";
if ($pid == 0) {
    $api->{pid} = undef;
    my $start = time;
    my $ok    = grep { $api->submit(model => $large->{id}, points => 200, input => { seed => $_ }) } 1 .. 4;
    printf "%d %.3f\n", $ok, time - $start;
    close STDOUT;
    POSIX::_exit(0);
}
my ($answers, $ready) = (0, '');
vec($ready, fileno $child, 1) = 1;
until (select my $r = $ready, undef, undef, 0) {
    $answers++ if $api->get('!/healthz')->{status} eq 'ok';
}
my ($made, $took) = split ' ', <$child>;
close $child;
is $made, 4, "four large campaigns are planned in $took s";
ok $answers > 20, "... while $answers other requests are answered";

is $api->stop, 0, 'SIGTERM ends it well';
unlike $api->log, qr/Sanitizer|runtime error/, 'the sanitizers found nothing';
done_testing;
