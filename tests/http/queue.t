#!/usr/bin/env perl
# SPDX-License-Identifier: MIT
# The queue, with a fake agent: what makes a data point and what does not, retries, lapsed leases, quarantine, long poll.
use strict;
use warnings;
use lib 'tests/http';
use Api;
use Test::More;
use Time::HiRes qw(sleep time);

my $api = Api->new(options => ['--lease-s', '2', '--quarantine-s', '2']);
ok $api->start, 'the server starts' or BAIL_OUT('no server');
my $model = $api->upload('tiny_mbv2');
my $mask  = '0-' . ($model->{layers} - 1) . ':plain';
sub one { return $api->submit(model => $model->{id}, specs => [$mask], repeats => 2, @_) }
sub state_of { my ($c) = @_;
    my $jobs = $api->get("/campaigns/$c->{id}/jobs")->{items};
    my $j    = $jobs->[0];
    return join ' ', $j->{state}, $j->{attempts}, $j->{error} ? $j->{error}{type} : '-', $j->{result} ? 'result' : '-';
}

is((($api->lease)[1]), 204, 'nothing to do');

# Wrong results never become data points
my %wrong = (
    'output-mismatch' => [['a wrong CRC', 'out.crc32' => '00000000'], ['a wrong size', 'out.bytes' => 11],
        ['a wrong CRC and wrong RAM', 'out.crc32' => '00000000', 'mem.arena' => 1]],
    'ram-mismatch' => [['one byte too much', 'mem.arena' => $model->{plain_arena_bytes} + 1],
        ['one byte too little', 'mem.arena' => $model->{plain_arena_bytes} - 1]],
);
for my $type (sort keys %wrong) {
    for (@{ $wrong{$type} }) {
        my ($what, %change) = @$_;
        my $c = one();
        my $lease = $api->lease;
        my ($v) = $api->result($lease, %change);
        is $v->{verdict}, $type, "$what is $type";
        is state_of($c), "failed 1 $type -", '... the job has failed at once';
        is scalar @{ $api->get("/campaigns/$c->{id}/results")->{items} }, 0, '... and there is no data point';
        is $api->get("/campaigns/$c->{id}")->{state}, 'done', '... the campaign is over';
        my ($again) = $api->result($lease);
        is $again->{verdict}, $type, '... a later right report does not change that';
    }
}
my $front = $api->get('/campaigns/1/front');
ok !(grep { @{ $_->{measured} } } @{ $front->{points} }), 'nor is it on the front';

# Reports that are refused leave the job leased
my $c     = one();
my $lease = $api->lease;
sub report_fails { my ($want, $what, %change) = @_;
    is $api->fails(POST => "/agent/jobs/$lease->{job}/result", $api->report($lease, %change)), $want, $what;
}
report_fails('422 bad-field runs', 'too few runs', runs => [{ cycles => 5 }]);
report_fails('422 bad-field runs', 'no runs', runs => []);
report_fails('422 bad-field runs[1].cycles', 'a run without cycles', runs => [{ cycles => 1 }, {}]);
report_fails('422 bad-field runs[0].cycles', 'cycles that are no integer', runs => [{ cycles => 1.5 }, { cycles => 2 }]);
report_fails('422 bad-field runs[0].cycles', 'cycles as a wrong string', runs => [{ cycles => '1e3' }, { cycles => 2 }]);
report_fails('422 bad-field runs[0].colour', 'an unknown field in a run', runs => [{ cycles => 1, colour => 2 }]);
report_fails('422 bad-field blocks[0].i', 'blocks out of order', blocks => [{ i => 1, cycles => 2 }]);
report_fails('422 bad-field profile.layers[0].cycles', 'a layer without cycles',
    'profile.layers' => [{ i => 0, calls => 1 }]);
report_fails('422 bad-field profile.interpreter', 'a profile without interpreter', 'profile.interpreter' => undef);
report_fails('422 bad-field hello.clock_hz', 'no clock', 'hello.clock_hz' => 0);
report_fails('422 bad-field hello.emulated', 'emulated or not?', 'hello.emulated' => undef);
report_fails('422 bad-field hello.timing', 'a real board with a timing model', 'hello.emulated' => JSON::PP::false);
report_fails('422 bad-field mem.arena', 'negative RAM', 'mem.arena' => -1);
report_fails('422 bad-field out.crc32', 'a CRC that is none', 'out.crc32' => 'xyzxyzxy');
report_fails('422 bad-field attempt', 'no attempt', attempt => 0);
report_fails('409 stale-lease', 'another attempt', attempt => 2);
report_fails('409 stale-lease', 'another lease', lease => 'ab' x 16);
is $api->fails(POST => "/agent/jobs/$lease->{job}/heartbeat", { lease => 'cd' x 16 }), '409 stale-lease',
    'a heartbeat with another lease';
is $api->fails(POST => "/agent/jobs/$lease->{job}/heartbeat", { lease => $lease->{lease}, progress => 1.1 }),
    '422 bad-field progress', 'too much progress';
is $api->fails(POST => "/agent/jobs/$lease->{job}/heartbeat", { lease => $lease->{lease}, phase => 'thinking' }),
    '422 bad-field phase', 'an unknown phase';
is $api->fails(POST => "/agent/jobs/9999/heartbeat", { lease => 'cd' x 16 }), '404 not-found', 'an unknown job';
is $api->fails(POST => "/agent/jobs/$lease->{job}/failure", { lease => $lease->{lease}, attempt => 1, type => 'bored' }),
    '422 bad-field type', 'an unknown failure';
like state_of($c), qr/^leased 1/, 'the job is still leased';
my ($v) = $api->result($lease);
is $v->{verdict}, 'match', 'the right report is taken';
($v) = $api->result($lease);
is $v->{verdict}, 'match', 'and taken again';
($v) = $api->result($lease, 'out.crc32' => '00000000');
is $v->{verdict}, 'match', 'what comes after the verdict is not judged';
is scalar @{ $api->get("/campaigns/$c->{id}/results")->{items} }, 1, 'one result';
is $api->fails(POST => "/agent/jobs/$lease->{job}/heartbeat", { lease => $lease->{lease} }), '409 stale-lease',
    'a heartbeat after the end';

# A rig gets one job at a time; the job goes to the board that it is for
$c     = one(boards => [$Api::BOARD, 'fast-board']);
$lease = $api->lease(rig => 'a');
is((($api->lease(rig => 'a'))[1]), 204, 'a busy rig gets no second job');
my $other = $api->lease(rig => 'b', board => 'fast-board');
is $other->{board}, 'fast-board', 'a rig gets a job of its board';
$api->result($lease);
is $api->result($other)->{verdict}, 'match', 'both are done';
is $api->fails(POST => '/agent/lease', { agent => 'h', rigs => [{ name => 'r', board => 'nope' }] }),
    '422 unknown-board rigs[0].board', 'a rig with an unknown board';
is $api->fails(POST => '/agent/lease', { agent => 'h', rigs => [] }), '422 bad-field rigs', 'no rigs';
is $api->fails(POST => '/agent/lease', { agent => 'a b', rigs => [{ name => 'r', board => $Api::BOARD }] }),
    '422 bad-field agent', 'an agent whose name is none';
is $api->fails(POST => '/agent/lease', { agent => 'h', wait_s => 61, rigs => [{ name => 'r', board => $Api::BOARD }] }),
    '422 bad-field wait_s', 'a wait that is too long';

# Infrastructure failures: tried three times, by whatever rig; a failure is not judged twice
$c = one();
for my $attempt (1 .. 3) {
    $lease = $api->lease(rig => "f$attempt");
    is $lease->{attempt}, $attempt, "attempt $attempt";
    is $api->failure($lease, 'serial-timeout')->{verdict}, 'serial-timeout', '... fails';
    is $api->failure($lease, 'flash-failed')->{verdict}, 'serial-timeout', '... and its repeat is not another one';
    is $api->fails(POST => "/agent/jobs/$lease->{job}/result", $api->report($lease)), '200 without a problem',
        '... a late result is told the verdict';
    is state_of($c), $attempt < 3 ? "queued $attempt serial-timeout -" : 'failed 3 serial-timeout -', '... the job is then';
}
{
    my $once = Api->new(options => ['--attempts', '1']);
    $once->start or BAIL_OUT('no second server');
    my $m = $once->upload('tiny_mbv2');
    my $only = $once->submit(model => $m->{id}, specs => [$mask], repeats => 2);
    $once->failure(scalar $once->lease, 'serial-timeout');
    my $job = $once->get("/campaigns/$only->{id}/jobs")->{items}[0];
    is "$job->{state} $job->{attempts}", 'failed 1', '--attempts 1: the first failure is final';
}
$c     = one();
$lease = $api->lease(rig => 'g');
$api->failure($lease, 'flash-failed');
$lease = $api->lease(rig => 'g');
$api->result($lease);
is state_of($c), 'done 2 - result', 'a second attempt that works is a result like any other';
$c     = one();
$lease = $api->lease(rig => 'g');
is $api->failure($lease, 'board-fault')->{verdict}, 'board-fault', 'a fault of the program';
is state_of($c), 'failed 1 board-fault -', 'is final';
$c     = one();
$lease = $api->lease(rig => 'g');
is $api->result($lease, 'hello.program' => 'deadbeef')->{verdict}, 'wrong-board', 'another program answered';
is state_of($c), 'queued 1 wrong-board -', 'is tried again';
$lease = $api->lease(rig => 'g');
is $api->result($lease, 'hello.board' => 'fast-board')->{verdict}, 'wrong-board', 'another board answered';
$api->measure_all(rig => 'h');

# Quarantine
my $many = $api->submit(model => $model->{id}, points => 4);
$api->failure(scalar $api->lease(rig => 'sick'), 'flash-failed') for 1 .. 3;
my ($rig) = grep { $_->{name} eq 'sick' } @{ $api->get('/rigs') };
is_deeply [@$rig{qw(state failures agent board job)}], ['quarantined', 3, 'host-1', $Api::BOARD, undef],
    'three failures in a row: quarantine';
like $rig->{last_error}, qr/^flash-failed: a test says so/, 'the reason is shown';
is((($api->lease(rig => 'sick'))[1]), 204, 'it gets no work');
is $api->fails(POST => '/agent/rigs/nobody/health', { agent => 'host-1', ok => JSON::PP::true }), '404 not-found',
    'health of an unknown rig';
is((($api->post('/agent/rigs/sick/health', { agent => 'host-1', ok => JSON::PP::false, detail => 'no probe' }))[1]), 204,
    'a failing health check');
is((($api->lease(rig => 'sick'))[1]), 204, 'does not release it');
is((($api->post('/agent/rigs/sick/health', { agent => 'host-1', ok => JSON::PP::true }))[1]), 204,
    'a passing health check');
$lease = $api->lease(rig => 'sick');
ok $lease && $lease->{job}, 'releases it';
($rig) = grep { $_->{name} eq 'sick' } @{ $api->get('/rigs') };
is_deeply [@$rig{qw(state job)}], ['busy', $lease->{job}], 'a rig at work';
$api->result($lease);
($rig) = grep { $_->{name} eq 'sick' } @{ $api->get('/rigs') };
is_deeply [@$rig{qw(state failures emulated)}], ['idle', 0, JSON::PP::true], 'a success clears its record';
$api->failure(scalar $api->lease(rig => 'sick2'), 'board-offline') for 1 .. 3;
$api->measure_all(rig => 'h');
one();
is((($api->lease(rig => 'sick2'))[1]), 204, 'another rig in quarantine');
sleep 2.2;
($lease, my $status) = $api->lease(rig => 'sick2');
is $status, 200, 'is tried with one job when its time is over';
$api->failure($lease, 'board-offline');
is((($api->lease(rig => 'sick2'))[1]), 204, 'and waits on when that fails');
$api->measure_all(rig => 'h');

# A rig whose board is not there
sub offline { my ($rig, %body) = @_;
    return $api->fails(POST => "/agent/rigs/$rig/offline", { agent => 'host-1', board => $Api::BOARD, detail => 'not plugged in', %body }) }
is offline('gone'), '204 without a problem', 'an agent says that a board is not there';
sub rig { my ($name) = @_; return (grep { $_->{name} eq $name } @{ $api->get('/rigs') })[0] }
is_deeply [@{ rig('gone') }{qw(state board last_error failures)}], ['offline', $Api::BOARD, 'not plugged in', 0], '... the rig is offline, with the reason';
is offline('gone', board => 'nope'), '422 unknown-board board', '... a board that there is not';
is offline('gone', colour => 1), '422 bad-field colour', '... a field that there is not';
is((($api->lease(rig => 'gone'))[1]), 204, '... it asks for a job');
is_deeply [@{ rig('gone') }{qw(state last_error)}], ['idle', undef], '... and is back';

# Lapsed leases
$c     = one();
$lease = $api->lease(rig => 'l1');
for (1 .. 3) {
    sleep 1;
    $api->post("/agent/jobs/$lease->{job}/heartbeat", { lease => $lease->{lease}, phase => 'running' });
}
like state_of($c), qr/^leased 1/, 'heartbeats keep a lease beyond its deadline';
ok $api->wait_until(5, sub { state_of($c) eq 'queued 1 lease-lapsed -' }), 'without them it lapses';
is $api->fails(POST => "/agent/jobs/$lease->{job}/result", $api->report($lease)), '409 stale-lease',
    'its result comes too late';
is $api->fails(POST => "/agent/jobs/$lease->{job}/heartbeat", { lease => $lease->{lease} }), '409 stale-lease',
    'so does a heartbeat';
my $second = $api->lease(rig => 'l2');
is_deeply [@$second{qw(job attempt)}], [$lease->{job}, 2], 'the job goes to another rig';
is $api->fails(POST => "/agent/jobs/$lease->{job}/result", $api->report($lease)), '409 stale-lease',
    'the first rig cannot speak for the second';
ok $api->wait_until(5, sub { state_of($c) eq 'queued 2 lease-lapsed -' }), 'it lapses again';
$lease = $api->lease(rig => 'l3');
ok $api->wait_until(5, sub { state_of($c) eq 'failed 3 lease-lapsed -' }), 'and after three attempts it has failed';
is $api->get("/campaigns/$c->{id}")->{state}, 'done', 'which ends the campaign';
my ($metrics) = $api->get('!/metrics');
like $metrics, qr/^farm_leases_lapsed_total 3$/m, 'the metrics count three lapsed leases';
like $metrics, qr/^farm_jobs\{state="leased"\} 0$/m, 'and no leased job';

# Long poll: the answer comes as soon as there is work
my $start = time;
is((($api->lease(wait_s => 1))[1]), 204, 'a wait without work ends with nothing');
my $took = time - $start;
ok $took > 0.9 && $took < 2, sprintf 'after its second (%.2f s)', $took;
my $pid = open(my $child, '-|') // die "fork: $!";
if ($pid == 0) {
    $api->{pid} = undef;
    my ($l, $s) = $api->lease(wait_s => 20, rig => 'poll');
    print $l->{job} // "status $s";
    POSIX::_exit(0) if close STDOUT;
}
sleep 0.5;
$start = time;
$c     = one();
my $job = <$child>;
$took = time - $start;
close $child;
is $job, $api->get("/campaigns/$c->{id}/jobs")->{items}[0]{id}, 'a waiting agent is given a new job';
ok $took < 1, sprintf 'at once (%.3f s)', $took;

# A client that hangs up while it waits is not given a job
my $body = '{"agent":"gone","rigs":[{"name":"gone","board":"fast-board"}],"wait_s":20}';
my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $api->{port});
print $s "POST /api/v1/agent/lease HTTP/1.1\r\nHost: localhost\r\nContent-Length: " . length($body) . "\r\n\r\n$body";
$s->flush;
sleep 0.4;
close $s;
sleep 0.2;
$c = one(boards => ['fast-board']);
sleep 0.3;
is state_of($c), 'queued 0 - -', 'a job is not leased to a connection that is closed';

# Many waits cost no threads and no time
my @waiting = map {
    my $w = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $api->{port}) or die "connect: $!";
    my $b = qq({"agent":"crowd","rigs":[{"name":"r$_","board":"small-ram"}],"wait_s":30});
    print $w "POST /api/v1/agent/lease HTTP/1.1\r\nHost: localhost\r\nContent-Length: " . length($b) . "\r\n\r\n$b";
    $w->flush;
    $w;
} 1 .. 200;
sleep 0.5;
sub cpu_ticks { my @f = split ' ', Api::read_file("/proc/$api->{pid}/stat"); return $f[13] + $f[14] }
my $before = cpu_ticks();
sleep 1;
my $ticks = cpu_ticks() - $before;
ok $ticks < 20, "200 waiting agents cost $ticks ticks of CPU in a second";
my ($threads) = Api::read_file("/proc/$api->{pid}/status") =~ /^Threads:\s*(\d+)/m;
ok $threads < 10, "with $threads threads";
close $_ for @waiting;

$start = time;
is $api->stop, 0, 'SIGTERM ends it well';
ok time - $start < 5, 'although agents are waiting';
unlike $api->log, qr/Sanitizer|runtime error/, 'the sanitizers found nothing';
done_testing;
