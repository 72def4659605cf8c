#!/usr/bin/env perl
# SPDX-License-Identifier: MIT
# Plans: what is wrong with them is named; the scheduler by a clock that the test moves: slots, changes of the local clock, a
# leap day, missed slots, a run that is still going on, kill -9 amid a run; reruns, budgets, the webhook.
use strict;
use warnings;
use lib 'tests/http';
use Api;
use Digest::SHA qw(hmac_sha256_hex);
use IO::Socket::INET;
use JSON::PP ();
use POSIX ();
use Test::More;
use Time::HiRes qw(sleep time);
use Time::Local qw(timegm);

my $api = Api->new;
$api->{options} = [$api->plans];
sub at { my ($y, $m, $d, $h, $min) = @_; return timegm(0, $min, $h, $d, $m - 1, $y) }
sub slots { my ($plan) = @_; return map { "$_->{slot} $_->{trigger} $_->{state}" =~ s/:00\.000Z/Z/r }
    reverse @{ $api->get("/plans/$plan/runs?limit=1000")->{items} } }
sub settle { my ($what, $test) = @_; return ok $api->wait_until(15, $test), $what }
sub runs_of { my ($plan) = @_; return @{ $api->get("/plans/$plan/runs?limit=1000")->{items} } }
sub run_is { my ($id, $state) = @_; return sub { $api->get("/runs/$id")->{state} eq $state } }
# Moves the clock and waits until the scheduler has looked at it.
sub now_is { my ($seconds, $plan, $n) = @_;
    $api->set_clock($seconds);
    return $api->wait_until(10, sub { runs_of($plan) == $n }) if defined $n;
    sleep 0.7;
}

# --- the files ---
$api->set_clock(at(2026, 3, 1, 12, 0));
$api->plan('vienna', schedule => { cron => '30 2 * * *', timezone => 'Europe/Vienna' });
$api->plan('hand');
ok $api->start, 'the server starts' or BAIL_OUT('no server');
my %wrong = (
    title          => [undef, '', ['x']],
    models         => [undef, [], [{}], [{ network => 'none' }], [{ network => 'lenet5', file => 'x' }], [{ model => 'abc' }],
        [{ network => 'lenet5', colour => 1 }], [{ file => 'x', seed => 3 }], [({ network => 'lenet5' }) x 2]],
    boards         => [undef, [], ['no-such-board'], [$Api::BOARD, $Api::BOARD], [7]],
    configurations => [undef, [], [{}], [{ strategy => 'magic', points => 2 }], [{ strategy => 'pareto' }],
        [{ strategy => 'vanilla', points => 3 }], [{ strategy => 'pareto', points => 2, pick => 'least-ram' }], [{ strategy => 'pareto', pick => 'best' }],
        [{ spec => '0:plain' }], [{ spec => '0:plain', name => 'a', strategy => 'pareto' }], [({ strategy => 'vanilla' }) x 2],
        [{ strategy => 'pareto', max_overhead => 0.5 }], [{ strategy => 'pareto', points => 150 }, { strategy => 'msfcnn', points => 100 }]],
    schedule       => [{}, { cron => '61 * * * *', timezone => 'UTC' }, { cron => '@daily', timezone => 'Mars/Olympus' }, { cron => '@daily' }],
    output_outside => ['yes', 1],
    repeats        => [0, 101, 'x'],
    budget         => [{ max_jobs => 0 }, { max_minutes => 0 }, { money => 1 }],
    thresholds     => [{ latency_percent => -1 }, { window_nights => 1 }, { x => 1 }],
    owners         => ['me', [''], [7]],
    webhook        => [{ url => 'ftp://x', secret_file => 'y' }, { url => 'http://x' }, { url => 'http://x', secret_file => 'y', when => 'never' }],
    published      => [{}, { source => 's', figures => [{}] }],
    colour         => ['red'],
);
my (%field, $n_wrong);
for my $field (sort keys %wrong) {
    my $i = 0;
    for my $value (@{ $wrong{$field} }) {
        $api->plan("wrong-$field-" . $i++, $field => $value);
        $n_wrong++;
    }
}
Api::write_file("$api->{dir}/plans/broken.json", '{"title":');
# What is no file must not stop the scheduler.
POSIX::mkfifo("$api->{dir}/plans/pipe.json", 0600);
symlink '/dev/zero', "$api->{dir}/plans/endless.json";
mkdir "$api->{dir}/plans/folder.json";
$api->wait_until(10, sub { @{ $api->get('/plans')->{items} } == $n_wrong + 6 });
my @plans = @{ $api->get('/plans')->{items} };
is scalar @plans, $n_wrong + 6, 'plans that are put into the folder are seen';
my @silent = map { $_->{name} } grep { my ($f) = $_->{name} =~ /^wrong-(\w+)-/; $f && ($_->{valid} || $_->{error}{field} !~ /^$f\b/) } @plans;
is_deeply \@silent, [], "each of $n_wrong wrong plans names the field that is wrong"
    or diag map { "$_->{name}: " . ($_->{error}{field} // '') . " $_->{error}{detail}\n" } grep { my $x = $_; grep { $_ eq $x->{name} } @silent } @plans;
my ($broken) = grep { $_->{name} eq 'broken' } @plans;
like $broken->{error}{detail}, qr/byte \d+/, 'and one that is not JSON the byte';
is_deeply [map { $_->{name} } grep { !$_->{valid} && $_->{error}{detail} =~ /^$_->{name}\.json: / } @plans], ['endless', 'folder', 'pipe'],
    'a pipe, a device, a folder: wrong as well';
is $api->fails(POST => '/plans/broken/runs'), '409 conflict', 'a wrong plan does not run';
is $api->fails(POST => '/plans/nobody/runs'), '404 not-found', 'nor one that does not exist';
like $api->get('/plans/wrong-configurations-3')->{error}{detail}, qr/"magic".*vanilla.*pareto/, 'an unknown strategy is told those that there are';
is scalar(grep { $_->{valid} && $_->{name} =~ /^(vienna|hand)$/ } @plans), 2, 'the others are not harmed';
rmdir "$api->{dir}/plans/folder.json";
unlink glob "$api->{dir}/plans/{wrong-*,broken,pipe,endless}.json";
$api->wait_until(10, sub { @{ $api->get('/plans')->{items} } == 2 });
# A folder with too many leaves the plans as they were, and is told once, not each time that it is looked at.
$api->plan("many-$_") for 1 .. 65;
sub told { return scalar(() = $api->log =~ /more than 64 plans; the plans stay as they were/g) }
settle 'too many plans are told', sub { told() };
sleep 4.5;
is_deeply [told(), scalar @{ $api->get('/plans')->{items} }], [1, 2], '... once, and the others stay';
unlink glob "$api->{dir}/plans/many-*.json";
$api->plan('many');
settle 'and then the folder is read again', sub { @{ $api->get('/plans')->{items} } == 3 };
unlink "$api->{dir}/plans/many.json";
$api->wait_until(10, sub { @{ $api->get('/plans')->{items} } == 2 });
# Every field of the JSON Schema is one that the parser knows, and the other way round.
my $schema = $api->get('/plan-schema.json');
is_deeply [sort keys %{ $schema->{properties} }], [sort 'description', grep { $_ ne 'colour' } keys %wrong], 'the schema has the same fields';
system(qq(jq -e . plans/*.json >/dev/null)) == 0 or fail 'plans/*.json are JSON';
for my $file (glob 'plans/*.json') {    # boards of this test's farm are others
    my $text = Api::read_file($file) =~ s/"boards": \[[^]]*\]/"boards": ["$Api::BOARD"]/r;
    my ($name) = $file =~ m{(\w+)\.json};
    Api::write_file("$api->{dir}/plans/shipped-$name.json", $text =~ s/"schedule": \{[^}]*\},//r);
}
$api->wait_until(10, sub { @{ $api->get('/plans')->{items} } == 5 });
is_deeply [map { "$_->{name} " . ($_->{error}{detail} // 'valid') } grep { $_->{name} =~ /^shipped/ } @{ $api->get('/plans')->{items} }],
    ['shipped-nightly valid', 'shipped-paper valid', 'shipped-smoke valid'], 'the plans that are shipped are valid';
unlink glob "$api->{dir}/plans/shipped-*.json";

# --- slots ---
is_deeply [slots('vienna')], [], 'a new plan waits for its next slot';
is $api->get('/plans/vienna')->{next_slot}, '2026-03-02T01:30:00.000Z', 'which is told';
# A run that nobody measures would stand in the way of the next: an agent that is always there.
sub measure { my ($plan, $want, %change) = @_;
    my $run = (runs_of($plan))[0];
    $api->wait_until(10, sub { $api->get("/runs/$run->{id}")->{state} ne 'planning' });
    while (1) {
        my ($lease, $status) = $api->lease;
        last if $status == 204;
        $api->result($lease, %change);
    }
    $api->wait_until(10, sub { $api->get("/runs/$run->{id}")->{finished} }) or diag "run $run->{id} does not end";
    my $end = $api->get("/runs/$run->{id}");
    is $end->{verdict} // $end->{state}, $want, "run $run->{id} of $plan at $end->{slot}: $want";
    return $end;
}
now_is(at(2026, 3, 2, 1, 29), 'vienna');
is_deeply [slots('vienna')], [], 'a minute before it nothing runs';
ok now_is(at(2026, 3, 2, 1, 30), 'vienna', 1), 'at the slot it runs';
my $first = measure('vienna', 'ok');
is_deeply [@{ $first->{points} }{qw(all done)}], [3, 3], 'all points are measured';
my $points = $api->get("/runs/$first->{id}/points")->{items};
is_deeply [map { $_->{configuration} } @$points], ['vanilla', 'pareto 1/2', 'pareto 2/2'], 'of each configuration';
my ($spread) = grep { $_->{configuration} eq 'pareto 1/2' } @$points;
is_deeply [@{$spread}{qw(firmware rig instructions flash_bytes emulated timing)}],
    ['ab' x 20, 'rig-1', '900000', 30000 + $api->get("/jobs/$spread->{job}")->{program}{bytes}, JSON::PP::true, 'test'], 'with all that is known of them';
now_is(at(2026, 3, 2, 1, 31), 'vienna');
is scalar(runs_of('vienna')), 1, 'a slot runs once';

# The night of 29 March 2026 has no 02:30 in Vienna: it runs when the clock has jumped, at 01:00 UTC. On 25 October there are two.
ok now_is(at(2026, 3, 28, 12, 0), 'vienna', 2), 'slots that nobody looked for are missed: the newest is run';
measure('vienna', 'ok');
ok now_is(at(2026, 3, 29, 1, 0), 'vienna', 3), 'the night without a 02:30';
measure('vienna', 'ok');
now_is(at(2026, 3, 29, 2, 0), 'vienna');
is scalar(runs_of('vienna')), 3, '... runs once';
ok now_is(at(2026, 3, 30, 0, 30), 'vienna', 4), 'then an hour earlier by UTC';
measure('vienna', 'ok');
ok now_is(at(2026, 10, 25, 0, 30), 'vienna', 5), 'the night with two 02:30';
measure('vienna', 'ok');
now_is(at(2026, 10, 25, 1, 30), 'vienna');
is scalar(runs_of('vienna')), 5, '... runs in the first';
is_deeply [slots('vienna')], ['2026-03-02T01:30Z cron done', '2026-03-28T01:30Z missed done', '2026-03-29T01:00Z cron done',
    '2026-03-30T00:30Z cron done', '2026-10-25T00:30Z cron done'], 'the slots';

# A clock that was wrong: neither a slot twice, nor silence for ten years
now_is($_, 'vienna') for at(2026, 10, 25, 0, 29), at(2026, 10, 25, 0, 30);
is scalar(runs_of('vienna')), 5, 'the clock goes back over a slot: it does not run again';
ok now_is(at(2036, 1, 1, 12, 0), 'vienna', 6), 'the clock jumps ahead by ten years';
measure('vienna', 'ok');
now_is(at(2026, 10, 26, 1, 0), 'vienna');
is scalar(runs_of('vienna')), 6, 'and back: nothing runs before its time';
ok now_is(at(2026, 10, 26, 1, 30), 'vienna', 7), '... and the next slot does';
$api->call('DELETE', "/runs/$_->{id}") for grep { !$_->{finished} } runs_of('vienna');

# 29 February
unlink "$api->{dir}/plans/vienna.json";
$api->plan('leap', schedule => { cron => '0 0 29 2 *', timezone => 'UTC' });
$api->wait_until(10, sub { $api->get('/plans/leap') && $api->get('/plans/leap')->{next_slot} });
is $api->get('/plans/leap')->{next_slot}, '2028-02-29T00:00:00.000Z', 'a plan for the 29th of February waits for a leap year';
now_is(at(2028, 2, 28, 23, 59), 'leap');
is_deeply [slots('leap')], [], 'not the day before';
ok now_is(at(2028, 2, 29, 0, 0), 'leap', 1), 'but then';
measure('leap', 'ok');
now_is(at(2029, 3, 1, 0, 0), 'leap');
is_deeply [slots('leap')], ['2028-02-29T00:00Z cron done'], 'and not in the year after';
unlink "$api->{dir}/plans/leap.json";

# A changed expression starts afresh; the plan's other fields do not matter
$api->plan('hand', schedule => { cron => '0 * * * *', timezone => 'UTC' });
$api->wait_until(10, sub { $api->get('/plans/hand')->{next_slot} });
sleep 0.7;
is_deeply [slots('hand')], [], 'a plan that gets a schedule does not make up for the past';

# --- by hand, while it runs, cancelled ---
my ($run, $status, $h) = $api->post('/plans/hand/runs', { note => 'just so' });
is_deeply [$status, $run->{trigger}, $run->{note}, $h->{location}], [202, 'manual', 'just so', "/api/v1/runs/$run->{id}"], 'by hand';
is $api->fails(POST => '/plans/hand/runs'), '409 conflict', 'not twice at once';
is $api->fails(POST => '/plans/hand/runs', { boards => ['fast-board'] }), '422 unknown-board boards[0]', 'not on a board that it does not have';
is $api->fails(POST => '/plans/hand/runs', { fast => 1 }), '422 bad-field fast', 'nor with an unknown field';
settle 'it is planned', run_is($run->{id}, 'running');
ok now_is(at(2029, 3, 1, 1, 0), 'hand', 2), 'a slot while it runs';
my ($skipped) = grep { $_->{trigger} eq 'cron' } runs_of('hand');
is_deeply [$skipped->{state}, $skipped->{detail}], ['skipped', "run $run->{id} was still running"], 'is skipped, and says why';
my ($cancelled) = $api->call('DELETE', "/runs/$run->{id}");
is $cancelled->{state}, 'cancelled', 'cancelled';
is_deeply [@{ $cancelled->{points} }{qw(all not_run open)}], [3, 3, 0], 'its points were not run';
is((($api->lease)[1]), 204, 'and there is no job left');
is $api->fails(DELETE => "/runs/$run->{id}"), '409 conflict', 'not twice';

for my $round (1 .. 5) {    # at whatever moment of its planning
    my ($r) = $api->post('/plans/hand/runs');
    sleep 0.05 * $round;
    $api->call('DELETE', "/runs/$r->{id}");
    sleep 0.4;
    my $now = $api->get("/runs/$r->{id}");
    is_deeply [$now->{state}, $now->{points}{open}, (($api->lease)[1])], ['cancelled', 0, 204], "cancelled as soon as it is asked for, $round";
}

# --- what is measured is told as it comes in ---
($run) = $api->post('/plans/hand/runs');
settle 'another run is planned', run_is($run->{id}, 'running');
$api->result(($api->lease)[0]);
settle 'after its first result it tells one point of three',
    sub { my $p = $api->get("/runs/$run->{id}")->{points}; "$p->{done} done, $p->{open} open" eq '1 done, 2 open' };
$api->call('DELETE', "/runs/$run->{id}");

# --- kill -9 in every state ---
($run) = $api->post('/plans/hand/runs');
$api->stop('KILL');
ok $api->start, 'kill -9 while it is planned';
settle 'it is planned then', run_is($run->{id}, 'running');
my %jobs = map { $_->{job} => 1 } @{ $api->get("/runs/$run->{id}/points")->{items} };
my $lease = $api->lease;
$api->result($lease);
$api->stop('KILL');
ok $api->start, 'kill -9 while it runs';
my $end = measure('hand', 'ok');
is_deeply { map { $_->{job} => 1 } @{ $api->get("/runs/$end->{id}/points")->{items} } }, \%jobs, 'no job was made twice';
srand 5;
for my $round (1 .. 4) {
    my ($again) = $api->post('/plans/hand/runs');
    sleep rand 0.5;
    $api->stop('KILL');
    $api->start or BAIL_OUT('the server does not start after kill -9');
    my $e = measure('hand', 'ok');
    is_deeply [@{ $e->{points} }{qw(all done)}], [3, 3], "kill -9 at a random moment, $round: all points are there once";
}
my @campaigns = map { $_->{name} } @{ $api->get('/campaigns?limit=1000')->{items} };
is scalar(keys %{ { map { $_ => 1 } @campaigns } }), scalar @campaigns, 'no campaign was made twice';
# A slot that passed while the server was down
my $n_runs = runs_of('hand');
$api->stop('KILL');
$api->set_clock(at(2029, 3, 1, 7, 30));
ok $api->start, 'a server that was away for five slots';
$api->wait_until(10, sub { runs_of('hand') > $n_runs });
sleep 0.7;
my ($missed) = runs_of('hand');
is_deeply [scalar(runs_of('hand')) - $n_runs, $missed->{trigger}, $missed->{slot}], [1, 'missed', '2029-03-01T07:00:00.000Z'],
    'runs the newest of them, once';
measure('hand', 'ok');
$api->stop;
ok $api->start, 'and after another restart';
sleep 0.7;
is scalar(runs_of('hand')), $n_runs + 1, 'not again';

# --- budgets, what does not fit, boards of a part ---
$api->plan('tight', budget => { max_jobs => 2, max_minutes => 5 }, boards => [$Api::BOARD, 'no-ram']);
$api->wait_until(10, sub { $api->get('/plans/tight')->{valid} });
($run) = $api->post('/plans/tight/runs', { boards => [$Api::BOARD] });
settle 'a part of a plan', run_is($run->{id}, 'running');
is_deeply [@{ $api->get("/runs/$run->{id}")->{points} }{qw(all open not_run)}], [3, 2, 1], 'what is beyond the budget of jobs is not run';
my $held = $api->lease;
my $of = $api->get("/jobs/$held->{job}")->{campaign};
sub last_event { return `sqlite3 "$api->{dir}/data/farm.db" "SELECT max(id) FROM events"` }
sub in_state { my ($state) = @_; return scalar grep { $_->{state} eq $state } @{ $api->get("/campaigns/$of/jobs")->{items} } }
$api->set_clock(at(2029, 3, 1, 7, 36));
settle 'after its minutes what is queued is taken out of the queue', sub { in_state('queued') == 0 };
my $event = last_event();
sleep 0.7;
is_deeply [in_state('leased'), last_event()], [1, $event], 'what runs comes to its end, and nothing is told over and over meanwhile';
$api->result($held);
settle 'then the run ends', run_is($run->{id}, 'done');
is_deeply [@{ $api->get("/runs/$run->{id}")->{points} }{qw(done not_run open)}], [1, 2, 0], 'what was queued was not run';
is $api->get("/runs/$run->{id}")->{verdict}, 'incomplete', 'and that is no pass';
($run) = $api->post('/plans/tight/runs', { boards => ['no-ram'] });
settle 'a board that is too small for anything', run_is($run->{id}, 'done');
my ($no_fit) = @{ $api->get("/runs/$run->{id}/points")->{items} };
is_deeply [@{$no_fit}{qw(state error_type)}], ['no-fit', 'does-not-fit'], 'its points do not fit';
is $api->get("/runs/$run->{id}")->{verdict}, 'incomplete', 'and a run that measured nothing is no pass';
like $no_fit->{error_detail}, qr/more than the \d+ that there are/, 'with the bytes that are missing';

# --- a published method answers as its authors' planner does, its RAM counted as they count it (docs/strategies.md) ---
my @method = map { { strategy => 'msfcnn-paper', max_overhead => $_ } } 1.1, 1.3;
$api->plan('talk', output_outside => JSON::PP::true, models => [map { { network => "${_}_chain" } } 'mbv2_w035_r144', 'mcunet_vww5_r80'],
    configurations => [{ strategy => 'vanilla' }, @method, map({ { strategy => $_, pick => 'least-ram' } } 'msfcnn-paper', 'pareto'),
        { strategy => 'pareto', max_overhead => 1.1 }]);
$api->wait_until(10, sub { $api->get('/plans/talk') && $api->get('/plans/talk')->{valid} });
($run) = $api->post('/plans/talk/runs');
ok $api->wait_until(60, run_is($run->{id}, 'running')), 'a plan with the output outside of the arena';
my %answer;
for my $point (@{ $api->get("/runs/$run->{id}/points?limit=100")->{items} }) {
    my $job = $api->get("/jobs/$point->{job}");
    $answer{ $point->{model_name} }{ $point->{configuration} } = sprintf '%d %.3f', @{ $job->{predicted} }{qw(arena_bytes overhead)};
    like $job->{spec}, qr/ output:outside$/, "$point->{model_name}, $point->{configuration}: outside";
}
my %table = (mbv2_w035_r144_chain => { vanilla => '156600 1.000' }, mcunet_vww5_r80_chain => { vanilla => '77760 1.000' });
open my $doc, '<', 'docs/strategies.md' or die "docs/strategies.md: $!";
my $network = '';
while (<$doc>) {
    $network = $1 if m{^`build/host/bin/msfcnn-table build/models/(\w+)\.tflite`};
    my ($question, @figures) = /^\| P1, (.+?) \|(?: [\d,]+ \| [\d.]+ \|) ([\d,]+) \| ([\d.]+) \| ([\d,]+) \| ([\d.]+) \|$/ or next;
    my ($executed, $pareto) = map { s/,//gr } "@figures[0, 1]", "@figures[2, 3]";
    $question = $question eq 'any F' ? 'least-ram' : $question =~ s/ //gr;
    $table{$network}{"msfcnn-paper $question"} = $executed if $table{$network} && $question =~ /^(?:least-ram|F<=1\.[13])$/;
    $table{$network}{"pareto $question"}       = $pareto   if $table{$network} && $question =~ /^(?:least-ram|F<=1\.1)$/;
}
is_deeply \%answer, \%table, 'the table of docs/strategies.md';
is scalar(map { keys %$_ } values %table), 12, 'of which every row that is asked for was found';
$api->call('DELETE', "/runs/$run->{id}");

# --- published figures beside ours; configurations that turn out to be the same ---
$api->plan('theirs', configurations => [{ strategy => 'vanilla' }, { spec => '0-20:plain', name => 'by hand' }],
    published => { source => 'A | paper', figures => [
        { model => 'tiny_mbv2', configuration => 'vanilla', system => 'theirs', ram_bytes => 99999, ms => 12.5, board => $Api::BOARD },
        { model => 'tiny_mbv2', configuration => 'vanilla', system => 'theirs', ram_bytes => 88888, board => 'nucleo-f767zi' } ] });
$api->wait_until(10, sub { $api->get('/plans/theirs') && $api->get('/plans/theirs')->{valid} });
$api->post('/plans/theirs/runs');
my $theirs = measure('theirs', 'ok');
my @ours = @{ $api->get("/runs/$theirs->{id}/points")->{items} };
is_deeply [map { $_->{configuration} } @ours], ['vanilla', 'by hand'], 'two series';
is $ours[0]{job}, $ours[1]{job}, 'that are one configuration share a job';
my $published = $api->get("/runs/$theirs->{id}/published");
is $published->{source}, 'A | paper', 'the source of published figures';
is_deeply [@{ $published->{items}[0]{published} }{qw(ram_bytes ms)}, @{ $published->{items}[0]{ours} }{qw(ram_bytes ms)}],
    [99999, 12.5, $ours[0]{arena_bytes}, $ours[0]{ms}], 'theirs with ours beside them';
is $published->{items}[1]{ours}, undef, 'nothing where nothing was measured';
like scalar($api->get("/runs/$theirs->{id}/summary.md")),
    qr/Source: A \\\| paper.*^\| tiny\\_mbv2 \| vanilla \| theirs \| 99999 \| $ours[0]{arena_bytes} \|.*emulated \|\n.*not measured/ms, 'and in the summary';

# --- reruns ---
my $hooks = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 5, ReuseAddr => 1);
Api::write_file("$api->{dir}/plans/hook.key", "top secret\n");
$api->plan('slow', configurations => [{ strategy => 'vanilla' }], webhook => { url => 'http://127.0.0.1:' . $hooks->sockport . '/in', secret_file => 'hook.key' });
$api->wait_until(10, sub { $api->get('/plans/slow')->{valid} });
sub once { my (@cycles) = @_;    # a run whose measurements take so many cycles, one after the other
    my ($r) = $api->post('/plans/slow/runs');
    for my $i (0 .. $#cycles) {
        my $l;
        $api->wait_until(10, sub { ($l, my $s) = $api->lease; $s == 200 }) or diag "no job for measurement $i";
        $api->result($l, 'hello.emulated' => JSON::PP::false, 'hello.timing' => undef, 'hello.timing_version' => undef, 'hello.firmware' => $cycles[$i] > 1_020_000 ? 'cd' x 20 : 'ab' x 20,
            runs => [map { { cycles => $cycles[$i], instructions => '900000' } } 1, 2]);
    }
    $api->wait_until(10, run_is($r->{id}, 'done')) or diag "run $r->{id}: ", $api->get("/runs/$r->{id}")->{state};
    return $api->get("/runs/$r->{id}");
}
is once(1_000_000)->{verdict}, 'ok', 'a first run';
once(1_000_000) for 1 .. 6;
my $slow = once(1_050_000, 1_050_000);
is $slow->{verdict}, 'regression', 'slower, and slower again when it is measured a second time: a regression';
is_deeply [map { "$_->{rerun} $_->{state}" } @{ $api->get("/runs/$slow->{id}/points")->{items} }], ['0 done', '1 done'], 'the rerun came by itself';
is_deeply [map { "$_->{kind} $_->{state} $_->{reason}" } @{ $api->get("/runs/$slow->{id}/findings")->{items} }], ['slower confirmed code'], 'confirmed';

# --- the webhook ---
sub receive { my ($answer) = @_;    # one message: (headers, body)
    $hooks->timeout(15);
    my $c = $hooks->accept or return;
    my ($head, $body) = ('', '');
    while ($head !~ /\r\n\r\n/) { sysread $c, $head, 1, length $head or last }
    my ($n) = $head =~ /^Content-Length: (\d+)/mi;
    while (length $body < $n) { sysread $c, $body, $n - length $body, length $body or last }
    print $c "HTTP/1.1 $answer\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    close $c;
    return ({ $head =~ /^([\w-]+): (.*?)\r$/mg }, $body);
}
my ($h1, $b1) = receive('500 Busy');
my ($h2, $b2) = receive('204 Fine');
is $b1, $b2, 'what was refused is sent again';
is $h1->{'X-Farm-Delivery'}, $h2->{'X-Farm-Delivery'}, 'as the same delivery';
is $h2->{'X-Farm-Signature'}, 'sha256=' . hmac_sha256_hex("$h2->{'X-Farm-Timestamp'}.$b2", 'top secret'), 'signed';
ok abs($h2->{'X-Farm-Timestamp'} - time) < 60, 'with the time';
my $message = JSON::PP::decode_json($b2);
is_deeply [$message->{event}, $message->{run}{id}, $message->{run}{verdict}, $message->{findings}[0]{kind}, $message->{more_findings}],
    ['run', $slow->{id}, 'regression', 'slower', 0],
    'it says what happened';
like $message->{text}, qr/\| slower \| tiny\\_mbv2 /, 'in words as well';
my $log;
settle 'the log', sub { ($log) = @{ $api->get("/runs/$slow->{id}/deliveries")->{items} }; $log->{state} eq 'delivered' };
is_deeply [@{$log}{qw(attempts status)}], [2, 204], 'two tries, the second was taken';
is scalar @{ $api->get("/runs/" . ($slow->{id} - 1) . "/deliveries")->{items} }, 0, 'a run that is a pass sends nothing';
unlike JSON::PP::encode_json($api->get('/plans/slow')), qr/secret|127\.0\.0\.1/, 'neither address nor key are told';

# --- a wrong output ---
$api->plan('bit', configurations => [{ strategy => 'vanilla' }]);
$api->wait_until(10, sub { $api->get('/plans/bit')->{valid} });
sub bit { my (%change) = @_;    # a run of one job
    my ($r) = $api->post('/plans/bit/runs');
    my $l;
    $api->wait_until(10, sub { ($l, my $s) = $api->lease; $s == 200 }) or diag 'no job of bit';
    $api->result($l, %change);
    $api->wait_until(10, run_is($r->{id}, 'done'));
    return $api->get("/runs/$r->{id}");
}
is bit()->{verdict}, 'ok', 'a right output';
my $wrong = bit('hello.firmware' => 'ef' x 20, 'out.crc32' => '00000000');
my ($flipped) = @{ $api->get("/runs/$wrong->{id}/findings")->{items} };
is_deeply [@{$flipped}{qw(kind state firmware firmware_changed program_changed)}],
    ['output-mismatch', 'confirmed', 'ef' x 20, JSON::PP::true, JSON::PP::false], 'a wrong one names the firmware that gave it';

# --- a run that could not be planned is told, too ---
$api->plan('gone', models => [{ file => 'gone.tflite' }],
    webhook => { url => 'http://127.0.0.1:' . $hooks->sockport . '/in', secret_file => 'hook.key' });
$api->wait_until(10, sub { ($api->get('/plans/gone') // {})->{valid} });
my ($unplanned) = $api->post('/plans/gone/runs');
my (undef, $why) = receive('204 Fine');
is_deeply [@{ JSON::PP::decode_json($why // '{}')->{run} // {} }{qw(id state)}], [$unplanned->{id}, 'failed'], 'a run that could not be planned is told';
like $why, qr/gone\.tflite: No such file/, 'with the reason';

# --- a receiver that hangs holds nobody up ---
my $late = once(1_050_000);
my $hung = $hooks->accept or diag 'no message';
my $begun = time;
is $api->stop, 0, 'SIGTERM while a receiver hangs';
my $took = time - $begun;
cmp_ok $took, '<', 2, sprintf 'ends the server within two seconds (%.2f s)', $took;
close $hung;
ok $api->start, 'and the next server';
my ($h3) = receive('204 Fine');
settle 'sends the message', sub { ($log) = @{ $api->get("/runs/$late->{id}/deliveries")->{items} }; $log->{state} eq 'delivered' };
is_deeply [$h3->{'X-Farm-Delivery'}, $log->{attempts}], [$log->{id}, 1], 'the try that was broken off does not count';

# --- metrics, the end ---
my $metrics = $api->get('!/metrics');
like $metrics, qr/^farm_runs\{state="done"\} \d+$/m, 'runs are counted';
like $metrics, qr/^farm_findings\{set="regressions"\} 2$/m, 'and what is red';
is $api->stop, 0, 'SIGTERM ends it well';
is `sqlite3 "$api->{dir}/data/farm.db" "PRAGMA integrity_check; PRAGMA foreign_key_check"`, "ok\n", 'the database is sound';
unlike $api->log, qr/Sanitizer|runtime error/, 'the sanitizers found nothing';
done_testing;
