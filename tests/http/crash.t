#!/usr/bin/env perl
# SPDX-License-Identifier: MIT
# kill -9 of the server, again and again, in the middle of everything: what was acknowledged is there afterwards, nothing
# is counted twice. One server per data folder.
use strict;
use warnings;
use lib 'tests/http';
use Api;
use Test::More;
use Time::HiRes qw(sleep time);

my $api = Api->new(options => ['--lease-s', '3']);
ok $api->start, 'the server starts' or BAIL_OUT('no server');
my ($refused, $said) = $api->refused("$Api::BIN/farm-server", '--listen', '127.0.0.1:0', '--data', "$api->{dir}/data",
    '--boards', "$api->{dir}/boards");
is $refused, 1, 'a second server on the same data is refused';
like $said, qr{data is in use by another farm-server}, 'and says why';

my $model = $api->upload('tiny_mbv2');
my $c     = $api->submit(model => $model->{id}, points => 6, repeats => 2, name => 'crash');
my $key   = { model => $model->{id}, boards => [$Api::BOARD], points => 3 };
my ($keyed) = $api->post('/campaigns', $key, 'Idempotency-Key' => 'once');

# A report that was acknowledged, one whose acknowledgement was lost, and a lease in flight
my $first = $api->lease(rig => 'a');
my ($v) = $api->result($first);
is $v->{verdict}, 'match', 'one result is acknowledged';
my $result = $api->get("/jobs/$first->{job}")->{result};
my $held   = $api->lease(rig => 'b');
my $report = $api->report($held);
is $api->stop('KILL') & 127, 9, 'kill -9';
ok $api->start, 'the server starts again on the same data';
is_deeply scalar $api->get("/results/$result->{id}"), $result, 'the result is there, unchanged';
is_deeply scalar $api->get("/models/$model->{id}"), $model, 'the model is there';
my ($again, $status) = $api->post('/campaigns', $key, 'Idempotency-Key' => 'once');
is_deeply [$status, $again->{id}], [200, $keyed->{id}], 'the Idempotency-Key is remembered';
($v) = $api->result($first);
is $v->{verdict}, 'match', 'a repeated report is told the old verdict';
is $api->get("/jobs/$held->{job}")->{state}, 'leased', 'a lease survives';
is((($api->post("/agent/jobs/$held->{job}/heartbeat", { lease => $held->{lease} }))[1]), 200, 'its heartbeat is taken');
($v) = $api->post("/agent/jobs/$held->{job}/result", $report);
is $v->{verdict}, 'match', 'and its result';
is scalar @{ $api->get("/campaigns/$c->{id}/results")->{items} }, 2, 'two results';

# A lease whose time runs out while the server is down
$held = $api->lease(rig => 'c');
$api->stop('KILL');
sleep 3.2;
ok $api->start, 'again';
ok $api->wait_until(5, sub { $api->get("/jobs/$held->{job}")->{state} eq 'queued' }), 'an old lease lapses after a restart';

# Kill at random moments while a child measures; every acknowledged verdict must be found
my %acknowledged;
my $all = $api->submit(model => $model->{id}, points => 200, boards => [$Api::BOARD, 'fast-board'], repeats => 1);
my $total = $all->{jobs}{queued};
srand 3;
for my $round (1 .. 6) {
    my $pid = open(my $child, '-|') // die "fork: $!";
    if ($pid == 0) {
        $api->{pid} = undef;
        $| = 1;
        while (1) {
            for my $board ($Api::BOARD, 'fast-board') {
                my $l = eval { $api->lease(board => $board, rig => "r$round-$board") };
                POSIX::_exit(0) unless ref $l && $l->{job};
                my ($r, $s) = eval { $api->result($l) };
                POSIX::_exit(0) unless ref $r && $r->{verdict};
                print "$l->{job} $r->{verdict}\n";
            }
        }
    }
    sleep 0.05 + rand 0.4;
    $api->stop('KILL');
    while (<$child>) {
        my ($job, $verdict) = split;
        $acknowledged{$job} = $verdict;
    }
    close $child;
    $api->start or BAIL_OUT('the server does not start after kill -9');
}
ok scalar(keys %acknowledged), 'six times kill -9 amid ' . keys(%acknowledged) . ' acknowledged results';
is scalar(grep { $api->get("/jobs/$_")->{state} ne 'done' } keys %acknowledged), 0, 'all of them are there';
my $done = $api->wait_until(30, sub {
    $api->measure_all(board => $_, rig => 'last') for $Api::BOARD, 'fast-board';
    return $api->get("/campaigns/$all->{id}")->{state} eq 'done';
});
ok $done, 'the rest is measured';
my $end = $api->get("/campaigns/$all->{id}");
is $end->{jobs}{done} + $end->{jobs}{failed}, $total, 'no job is lost';
my @results;
my $cursor;
do {
    my $page = $api->get("/campaigns/$all->{id}/results?limit=100" . (defined $cursor ? "&cursor=$cursor" : ''));
    push @results, @{ $page->{items} };
    $cursor = $page->{next};
} while defined $cursor;
is scalar @results, $end->{jobs}{done}, 'one result for each job that is done';
is scalar(keys %{ { map { $_->{job} => 1 } @results } }), scalar @results, 'none twice';
is $api->stop, 0, 'SIGTERM ends it well';
my $check = `sqlite3 "$api->{dir}/data/farm.db" "PRAGMA integrity_check; PRAGMA foreign_key_check"`;
is $check, "ok\n", 'the database is sound';

# A full disk, played by a limit on the size of files
$api->{wrapper} = ['sh', '-c', 'ulimit -f 4096; exec "$@"', 'sh'];
ok $api->start, 'a server with little room';
my ($full, $status_full, $stored) = (undef, 0, 0);
for my $seed (1 .. 40) {
    ($full, $status_full) = $api->post('/models?name=big', Api::network('mbv2_w035_r144', 100 + $seed));
    last if $status_full != 201;
    $stored++;
}
is $status_full, 500, "after $stored models there is no room: 500";
is $full->{type}, 'io', '... as a problem';
is $api->get('!/healthz')->{status}, 'ok', '... the server lives';
is_deeply scalar $api->get("/models/$model->{id}"), $model, '... and answers what needs no room';
is $api->stop, 0, '... and ends well';
delete $api->{wrapper};
ok $api->start, 'with room again';
is((($api->post('/models?name=big', Api::network('mbv2_w035_r144', 199)))[1]), 201, 'it works again');
is scalar(grep { $_->{name} eq 'big' } @{ $api->get('/models?limit=1000')->{items} }), $stored + 1,
    'what was acknowledged is there, what was not is not';
$api->stop;
is `sqlite3 "$api->{dir}/data/farm.db" "PRAGMA integrity_check; PRAGMA foreign_key_check"`, "ok\n", 'the database is sound';

# A database of a newer server is left alone
system 'sqlite3', "$api->{dir}/data/farm.db", 'PRAGMA user_version = 99';
($refused, $said) = $api->refused($api->command);
is $refused, 1, 'a newer database is refused';
like $said, qr/schema is version 99/, 'and says why';
unlike $api->log, qr/Sanitizer|runtime error/, 'the sanitizers found nothing';
done_testing;
