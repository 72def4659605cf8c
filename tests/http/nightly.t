#!/usr/bin/env perl
# SPDX-License-Identifier: MIT
# What runs say: detection over imported nights, triage, series, two runs compared, everything that other tools read.
use strict;
use warnings;
use lib 'tests/http';
use Api;
use POSIX qw(strftime);
use Test::More;
use Time::HiRes qw(sleep time);

my $api = Api->new;
$api->{options} = [$api->plans];
$api->plan('lab', boards => [$Api::BOARD, 'fast-board'], owners => ['lab']);
ok $api->start, 'the server starts' or BAIL_OUT('no server');

my $MODEL = 'a1' x 32;
my @CONFIGS = (['pareto least-ram', 8000, 2_000_000], ['pareto F<=1.1', 9000, 1_500_000], ['pareto least-work', 12000, 1_000_000]);
my $night = 1_780_000_000;    # seconds
$api->set_clock($night + 400 * 86400);
my $noise = 7;
sub jitter { $noise = ($noise * 1103515245 + 12345) % 2147483648; return $noise / 2147483648 - 0.5 }

# Imports the next night. change->(board, configuration, point) may alter a point; undef drops it.
sub night { my ($change, %o) = @_;
    my @points;
    for my $board ($Api::BOARD, 'fast-board') {
        for (@CONFIGS) {
            my ($config, $ram, $cycles) = @$_;
            my $real = $board ne 'fast-board';
            my $point = { model => $MODEL, model_name => 'net', board => $board, configuration => $config, state => 'done',
                spec => '0-3:rows', overhead => 1, cycles => { median => int $cycles * ($real ? 1 + jitter() * 0.002 : 1) },
                repeats => 3, instructions => $cycles - 1000, clock_hz => 100_000_000, arena_bytes => $ram, stack_bytes => 900,
                static_bytes => 4000, flash_bytes => 90000, firmware => $o{firmware} // 'f1', program => "p-$config",
                toolchain => 'gcc 12.2', agent => 'host', rig => "rig-$board", kernels => 'generic',
                $real ? (emulated => \0) : (emulated => \1, timing => 'table', timing_version => 1) };
            $point = $change->($board, $config, $point) if $change;
            push @points, $point if $point;
        }
    }
    $night += 86400;
    my ($run, $status) = $api->post('/plans/lab/import',
        { date => strftime('%Y-%m-%dT%H:%M:%SZ', gmtime $night), points => \@points, note => $o{note} // '' });
    diag "import: $status ", explain $run if $status != 201;
    return $run;
}
sub findings { my ($run) = @_;
    return map { "$_->{kind} $_->{board} " . ($_->{configuration} // '-') . " $_->{metric} $_->{state}" }
        @{ $api->get("/runs/$run->{id}/findings")->{items} };
}

# What fails in its first run of all is no regression, and no pass
$api->plan('first');
$api->wait_until(10, sub { $api->get('/plans/first') && $api->get('/plans/first')->{valid} });
my ($never) = $api->post('/plans/first/import', { date => '2026-01-01T00:00:00Z', points => [{ model => $MODEL, model_name => 'net',
    board => $Api::BOARD, configuration => 'vanilla', state => 'failed', class => 'model', error_type => 'board-fault' }] });
is $never->{verdict}, 'incomplete', 'a point that has never worked: incomplete';

# A clean month
my @clean = map { night() } 1 .. 25;
is scalar(grep { $_->{verdict} eq 'ok' } @clean), 25, '25 nights without a change: 25 times ok';
is $clean[0]{trigger}, 'import', 'an imported run is named as one';
is scalar(map { findings($_) } @clean), 0, 'and not one finding';

# Exact events, each the one finding of its night
my $bad = night(sub { my ($b, $c, $p) = @_; $p->{arena_bytes} += 64 if $b eq $Api::BOARD && $c eq 'pareto F<=1.1'; $p },
    firmware => 'f2');
is $bad->{verdict}, 'regression', '64 bytes of RAM more: a regression';
is_deeply [grep { !/^front/ } findings($bad)], ["ram-growth $Api::BOARD pareto F<=1.1 arena_bytes confirmed"], 'named so';
my ($f) = grep { $_->{kind} eq 'ram-growth' } @{ $api->get("/runs/$bad->{id}/findings")->{items} };
is_deeply [@{$f}{qw(was is first_run last_run firmware_changed firmware)}], [9000, 9064, $bad->{id}, $bad->{id}, JSON::PP::true, 'f2'],
    'old, new, first bad run and its firmware';
my $same = night(sub { my ($b, $c, $p) = @_; $p->{arena_bytes} += 64 if $b eq $Api::BOARD && $c eq 'pareto F<=1.1'; $p },
    firmware => 'f2');
is $same->{verdict}, 'regression', 'it stays one as long as it is there';
my $again = $api->get("/findings/$f->{id}");
is_deeply [@{$again}{qw(first_run last_run state)}], [$bad->{id}, $same->{id}, 'confirmed'], 'it is the same finding';

# Triage
is $api->fails(POST => "/findings/$f->{id}", {}), '422 bad-field action', 'an action must be named';
is $api->fails(POST => "/findings/$f->{id}", { action => 'forget' }), '422 bad-field action', 'one that exists';
is $api->fails(POST => "/findings/$f->{id}", { action => 'assign' }), '422 bad-field owner', 'to whom?';
is $api->fails(POST => '/findings/999', { action => 'note', note => 'x' }), '404 not-found', 'no such finding';
$api->post("/findings/$f->{id}", { action => 'assign', owner => 'Ada' });
my ($known) = $api->post("/findings/$f->{id}", { action => 'acknowledge', note => 'ring of one row more, on purpose?' });
is_deeply [@{$known}{qw(state owner note)}], ['acknowledged', 'Ada', 'ring of one row more, on purpose?'], 'acknowledged, with owner and note';
is_deeply [map { $_->{action} } @{ $known->{history} }], ['assign', 'acknowledge'], 'the history says what was done';
$api->post("/findings/$f->{id}", { action => 'acknowledge', note => 'ring of one row more, on purpose?' });
my $twice = $api->get("/findings/$f->{id}");
is_deeply [scalar @{ $twice->{history} }, $twice->{updated}], [2, $known->{updated}], 'saying the same once more is no history';
my $grown = sub { my ($more) = @_; return sub { my ($b, $c, $p) = @_; $p->{arena_bytes} += $more if $b eq $Api::BOARD && $c eq 'pareto F<=1.1'; $p } };
my $quiet = night($grown->(64), firmware => 'f2');
isnt $quiet->{verdict}, 'regression', 'what somebody knows of makes no run red';
my $worse = night($grown->(65), firmware => 'f3');
is $worse->{verdict}, 'regression', 'until it gets worse by one byte';
is $api->get("/findings/$f->{id}")->{state}, 'confirmed', 'then it is open again';
my ($expected) = $api->post("/findings/$f->{id}", { action => 'expect', note => 'more padding' });
is $expected->{state}, 'expected', 'expected: the series begins anew';
my $calm = night($grown->(64), firmware => 'f3');
is $calm->{verdict}, 'improved', 'one byte less than that is an improvement' or diag join "\n", findings($calm);
is $api->fails(POST => "/findings/$f->{id}", { action => 'acknowledge' }), '409 conflict', 'what is over cannot be acknowledged';

# Latency: reruns decide
my $slow = sub { my (@reruns) = @_; return sub { my ($b, $c, $p) = @_;
    $p->{arena_bytes} += 64 if $b eq $Api::BOARD && $c eq 'pareto F<=1.1';
    if ($b eq $Api::BOARD && $c eq 'pareto least-work') { $p->{cycles}{median} = 1_030_000; $p->{reruns} = [@reruns] if @reruns }
    return $p } };
my $unsure = night($slow->(1_000_500), firmware => 'f4');
is_deeply [findings($unsure)], ["slower $Api::BOARD pareto least-work cycles unconfirmed"], 'a rerun that is as fast as ever: unconfirmed';
is $unsure->{verdict}, 'ok', '... which is no alarm';
my $sure = night($slow->(1_030_500), firmware => 'f5');
is $sure->{verdict}, 'regression', 'a rerun that agrees: a regression';
my ($s) = grep { $_->{kind} eq 'slower' } @{ $api->get("/runs/$sure->{id}/findings")->{items} };
is_deeply [@{$s}{qw(state reason)}], ['confirmed', 'code'], 'the code is accused, for the firmware changed';
ok abs($s->{percent} - 3) < 0.2 && $s->{noise} > 4, 'percent and multiple of the noise' or diag explain $s;

# No number: whose fault?
my $lost = night(sub { my ($b, $c, $p) = @_; return $p if $b eq $Api::BOARD;
    return { (map { $_ => $p->{$_} } qw(model model_name board configuration spec)), state => 'failed',
        class => 'infrastructure', error_type => 'board-offline', error_detail => 'gone' } }, firmware => 'f6');
is_deeply [sort { $a cmp $b } map { (split)[0] } grep { /fast-board/ } findings($lost)], [('infrastructure') x (() = grep { /fast-board/ } findings($lost))],
    'a board that is offline is the infrastructure' or diag join "\n", findings($lost);
my %look = map { $_->{board} => $_->{look} } @{ $api->get("/runs/$lost->{id}")->{grid} };
is_deeply \%look, { $Api::BOARD => $look{$Api::BOARD}, 'fast-board' => 'infrastructure' }, 'its cells say so';
my $gone = night(sub { my ($b, $c, $p) = @_; return $b eq $Api::BOARD ? $p : undef }, firmware => 'f6');
ok scalar(grep { /^missing fast-board/ } findings($gone)), 'series that are not there at all are missing';
%look = map { $_->{board} => $_->{look} } @{ $api->get("/runs/$gone->{id}")->{grid} };
is $look{'fast-board'}, 'not-run', 'and look different';
my $wrong = night(sub { my ($b, $c, $p) = @_; return $p if $b ne 'fast-board' || $c ne 'pareto F<=1.1';
    return { (map { $_ => $p->{$_} } qw(model model_name board configuration spec)), state => 'failed', class => 'model',
        error_type => 'output-mismatch', error_detail => 'a bit' } }, firmware => 'f7');
ok scalar(grep { $_ eq 'output-mismatch fast-board pareto F<=1.1 output confirmed' } findings($wrong)), 'a wrong output is told'
    or diag join "\n", findings($wrong);
is $wrong->{verdict}, 'regression', 'and is a regression';

# Series
my ($series) = grep { $_->{configuration} eq 'pareto F<=1.1' } @{ $api->get("/series?plan=lab&board=$Api::BOARD")->{items} };
my $detail = $api->get("/series/$series->{id}");
my $runs = $api->get('/plans/lab/runs?limit=1000')->{items};
is scalar(grep { $_->{rerun} == 0 } @{ $detail->{points} }), scalar @$runs, 'a point for each run';
is scalar @{ $detail->{band} }, scalar @$runs, 'and a band for each';
ok $detail->{band}[24]{low} < $detail->{band}[24]{median} && $detail->{band}[24]{median} < $detail->{band}[24]{high}, 'around the median';
is_deeply [map { "$_->{kind} $_->{from} $_->{to}" } grep { $_->{kind} eq 'firmware' } @{ $detail->{markers} }],
    ['firmware f1 f2', 'firmware f2 f3', 'firmware f3 f4', 'firmware f4 f5', 'firmware f5 f6', 'firmware f6 f7'], 'markers where the firmware changed'
    or diag explain [map { "$_->{kind} $_->{from} $_->{to}" } @{ $detail->{markers} }];
ok scalar(grep { $_->{kind} eq 'baseline' && $_->{run} == $worse->{id} } @{ $detail->{markers} }), 'and where somebody reset the baseline';
is $api->fails(POST => "/series/$series->{id}/baseline", { run => 9999 }), '422 bad-field run', 'a baseline needs a run of the plan';
is((($api->post("/series/$series->{id}/baseline", { run => $wrong->{id} }))[1]), 200, 'and is set');

# Two runs compared
my $diff = $api->get("/runs/$clean[24]{id}/compare/$sure->{id}");
my ($cell) = grep { $_->{board} eq $Api::BOARD } @{ $diff->{cells} };
is scalar @{ $cell->{before} }, 3, 'both fronts with all their points';
ok $cell->{latency_percent} > 0.3, 'at equal RAM it is slower' or diag explain $cell;
is_deeply [map { $_->{on_front} ? 1 : 0 } @{ $cell->{before} }], [1, 1, 1], 'all are on the front before';

my ($wide, $narrow) = map { my ($plan, $limit) = @$_;
    $api->plan($plan, thresholds => { latency_percent => $limit });
    $api->wait_until(10, sub { $api->get("/plans/$plan") && $api->get("/plans/$plan")->{valid} });
    my @ids = map { my ($cycles, $date) = @$_;
        $api->post("/plans/$plan/import", { date => $date, points => [map { { model => $MODEL, model_name => 'net', board => $Api::BOARD,
            configuration => $_->[0], state => 'done', cycles => { median => $_->[2] }, clock_hz => 100_000_000, arena_bytes => $_->[1],
            firmware => "f$cycles", program => $_->[0], agent => 'host', rig => 'r', emulated => \0 } } ['less RAM', 8000, 1_000_000],
            ['faster', 9000, $cycles]] })->{id}
    } [990_000, '2026-01-01T00:00:00Z'], [1_015_000, '2026-01-02T00:00:00Z'];
    $api->get("/runs/$ids[0]/compare/$ids[1]")->{cells}[0] } ['wide', 3], ['narrow', 1];
is_deeply [$wide->{left}, $narrow->{left}], [0, 1], 'slower: within the threshold of one plan, beyond that of another';

# For other tools
my $junit = $api->get("/runs/$wrong->{id}/junit.xml");
like $junit, qr{<testsuite name="lab" id="$wrong->{id}"[^>]* tests="\d+" failures="\d+"}, 'JUnit XML';
like $junit, qr{<testcase classname="fast-board.net" name="pareto F&lt;=1.1">\s*<failure type="output-mismatch"}, 'a failure, escaped';
my $lost_xml = $api->get("/runs/$lost->{id}/junit.xml");
like $lost_xml, qr{<error type="board-offline" message="gone"/>}, 'a lost measurement is an error, not a failure';
$api->plan('names');
$api->wait_until(10, sub { $api->get('/plans/names') && $api->get('/plans/names')->{valid} });
my ($named) = $api->post('/plans/names/import', { date => '2026-01-01T00:00:00Z', points => [{ model => $MODEL, board => $Api::BOARD,
    model_name => "<&\"\x{FFFE}\x{FFFF}\x{FFFD}]]>", configuration => 'vanilla', state => 'not-run' }] });
like scalar($api->get("/runs/$named->{id}/junit.xml")), qr{classname="$Api::BOARD\.&lt;&amp;&quot;(?:\xEF\xBF\xBD){3}\]\]&gt;"},
    'a name with what XML cannot hold leaves it well-formed';
like scalar($api->get("/runs/$gone->{id}/junit.xml")), qr{<skipped type="absent"}, 'one that was not made is skipped';
like scalar($api->get("/runs/$wrong->{id}/summary.md")), qr/^# lab, run $wrong->{id}: regression\n.*\| output-mismatch \| net \| fast-board/s, 'Markdown';
my ($badge, $status, $h) = $api->get('/plans/lab/badge.svg');
is $h->{'content-type'}, 'image/svg+xml', 'a badge';
like $badge, qr/regression/, 'that says how it stands';
my $csv = $api->get('/plans/lab/points.csv');
my @lines = split /\r\n/, $csv;
is scalar @lines, 1 + 6 * @$runs + 2, 'CSV: a line for each point and each rerun, and one that names the columns';
my @nights = split /\r\n/, scalar $api->get('/plans/lab/runs.csv');
is_deeply [scalar @nights, scalar grep { /^$sure->{id},"lab",[^,]+,import,done,regression,6,6,0,/ } @nights], [1 + @$runs, 1],
    'CSV of the runs, with their verdicts';
like scalar($api->get('/plans/lab/findings.csv')), qr/^\d+,"lab",output-mismatch,1,confirmed,/m, 'CSV of the findings';

# What is answered has exactly the described members
my $schemas = $api->get('/openapi.json')->{components}{schemas};
sub described_as { my ($name, $value) = @_;
    my %known   = map { $_ => 1 } keys %{ $schemas->{$name}{properties} };
    my @extra   = grep { !$known{$_} } keys %$value;
    my @lacking = grep { !exists $value->{$_} } @{ $schemas->{$name}{required} };
    ok %known && !@extra && !@lacking, "a $name is as described" or diag "extra: @extra; lacking: @lacking";
}
described_as(Plan => scalar $api->get('/plans/lab'));
described_as(Run => $runs->[0]);
described_as(RunDetail => scalar $api->get("/runs/$sure->{id}"));
described_as(RunCell => $api->get("/runs/$sure->{id}")->{grid}[0]);
described_as(RunPoint => $_) for @{ $api->get("/runs/$lost->{id}/points?limit=4")->{items} }[0, 3];
described_as(Finding => $s);
described_as(FindingDetail => scalar $api->get("/findings/$f->{id}"));
described_as(Series => $series);
described_as(SeriesDetail => $detail);
described_as(Comparison => $diff);
my %cell = %{ $schemas->{Comparison}{properties}{cells}{items}{properties} };
is_deeply [sort keys %{ $diff->{cells}[0] }], [sort keys %cell], 'and the cells of a comparison';
described_as(Published => scalar $api->get("/runs/$sure->{id}/published"));
for my $list (qw(points markers band changes findings)) {
    my $of = $schemas->{SeriesDetail}{properties}{$list}{items};
    next if $of->{'$ref'} || !@{ $detail->{$list} };
    is_deeply [sort keys %{ $detail->{$list}[0] }], [sort keys %{ $of->{properties} }], "and the $list of a series";
}

# What is refused
my $ok = { date => '2027-01-01T00:00:00Z', points => [{ model => $MODEL, model_name => 'net', board => $Api::BOARD, configuration => 'x',
    state => 'not-run' }] };
sub refused_import { my ($want, $what, $change) = @_;
    my $copy = JSON::PP::decode_json(JSON::PP::encode_json($ok));
    $change->($copy);
    is $api->fails(POST => '/plans/lab/import', $copy), $want, $what;
}
refused_import('422 bad-field date', 'no date', sub { delete $_[0]{date} });
refused_import('422 bad-field date', 'a date that is none', sub { $_[0]{date} = 'yesterday' });
refused_import('422 bad-field date', 'a date that no calendar has', sub { $_[0]{date} = '2027-02-31T00:00:00Z' });
refused_import('422 bad-field date', 'a date in the future, which would stand in the way of all imports until then', sub { $_[0]{date} = '2099-01-01T00:00:00Z' });
refused_import('409 conflict date', 'a date before the newest run', sub { $_[0]{date} = '2020-01-01T00:00:00Z' });
refused_import('422 bad-field points', 'no points', sub { $_[0]{points} = [] });
refused_import('422 bad-field points[0].model', 'a model that is no hash', sub { $_[0]{points}[0]{model} = 'net' });
refused_import('422 bad-field points[0].state', 'an unknown state', sub { $_[0]{points}[0]{state} = 'open' });
refused_import('422 bad-field points[0].class', 'a failure without a class', sub { $_[0]{points}[0]{state} = 'failed' });
refused_import('422 bad-field points[0].cycles', 'a measurement without cycles', sub { $_[0]{points}[0]{state} = 'done' });
refused_import('422 bad-field points[0].colour', 'an unknown field', sub { $_[0]{points}[0]{colour} = 'red' });
refused_import('422 bad-field points[1]', 'a series twice', sub { push @{ $_[0]{points} }, $_[0]{points}[0] });
is $api->fails(POST => '/plans/none/import', $ok), '404 not-found', 'a plan that does not exist';
is $api->fails(GET => '/findings?state=red'), '422 bad-field state', 'an unknown state';
is $api->fails(GET => '/runs/9999'), '404 not-found', 'an unknown run';
is $api->fails(GET => '/series/9999'), '404 not-found', 'an unknown series';
is scalar @{ $api->get('/plans/lab/runs?limit=1000')->{items} }, scalar @$runs, 'what was refused left nothing behind';
is $api->stop, 0, 'SIGTERM ends it well';
is `sqlite3 "$api->{dir}/data/farm.db" "PRAGMA integrity_check; PRAGMA foreign_key_check"`, "ok\n", 'the database is sound';
unlike $api->log, qr/Sanitizer|runtime error/, 'the sanitizers found nothing';
done_testing;
