#!/usr/bin/env perl
# SPDX-License-Identifier: MIT
# Boards that misbehave: each fault ends in its named failure, no wrong point is stored, and the queue goes on.
#   1. one farm with a virtual board of every core: nine faults in turn, each followed by a job that is done
#   2. rigs whose probe leads to another board
#   3. attempts, a good board beside a bad one, a bit that flips, probes that hang: farms of their own
# All farms run at the same time, because most of it is waiting for deadlines.
use strict;
use warnings;
use lib 'tests/e2e';
use Farm;
use Test::More;

my @BOARDS = qw(esp32c3-devkit esp32s3-devkit hifive1b nucleo-f412zg nucleo-f767zi);
# What the virtual boards do wrong, what the farm calls it, and what it says.
my @FAULTS = (
    ['silent',         'serial-timeout',  qr/no \@hello within \d+ ms: the board is silent/],
    ['garbage',        'serial-garbage',  qr/no \@hello within \d+ ms, but \d+ broken lines/],
    ['cut',            'serial-garbage',  qr/broken lines/],
    ['reset',          'board-offline',   qr/the board restarted while measuring/],
    ['other-firmware', 'wrong-board',     qr/the board runs firmware (ee){20}, flashed was (?!ee)/],
    ['other-board',    'wrong-board',     qr/the board says it is X\S+, but the rig is configured as/],
    ['output',         'output-mismatch', qr/the output has 10 bytes with CRC-32 .*, the reference 10 with/],
    ['stack',          'board-fault',     qr/the firmware reported stack-overflow at pc 0x[0-9a-f]{8}/],
    ['crash',          'board-fault',     qr/the firmware reported busfault at pc 0x(?!00000000)[0-9a-f]{8}/],
);
# Another family's chip behind the probe of a rig: configured => plugged in.
my %SWAPPED = (
    'nucleo-f767zi' => 'nucleo-f412zg', 'nucleo-f412zg' => 'nucleo-f767zi', 'hifive1b' => 'esp32c3-devkit',
    'esp32c3-devkit' => 'hifive1b', 'esp32s3-devkit' => 'esp32c3-devkit',
);
# On boards of their own, with nobody to take over; the failure, the attempts.
my @ALONE = (
    ['silent',         'nucleo-f767zi', qr/^serial-timeout$/, 3],
    ['hang:200000',    'nucleo-f767zi', qr/^(serial-timeout|flash-failed)$/, 1],
    ['stlink-hang:40', 'nucleo-f767zi', qr/^flash-failed$/, 1],
    ['stlink-hang:40', 'hifive1b',      qr/^flash-failed$/, 1],
);
my $least;    # spec of the least RAM

sub farm_with_model { my ($what, %o) = @_;
    my $farm = Farm->new(%o);
    ok $farm->start_server, "$what: the server starts" or BAIL_OUT('no server');
    my $model = $farm->upload("$Farm::MODELS/tiny_mbv2.tflite", 'tiny_mbv2') or BAIL_OUT('no model');
    $farm->{model} = $model->{id};
    $least //= $farm->get("/models/$model->{id}/front")->{points}[0]{spec};
    return $farm;
}
sub one { my ($farm, $name, @boards) = @_;
    my $c = $farm->submit(model => $farm->{model}, specs => [$least], repeats => 1, name => $name, boards => \@boards);
    return $farm->{campaign} = $c->{id};
}
sub fault { my ($kind, $silence_s) = @_;
    return (no_wait => 1, options => ['--vboard-arg', '--fault', '--vboard-arg', $kind, '--silence', $silence_s]);
}
sub ends { my ($farm, $what, @names) = @_;
    is $farm->stop($_), 0, "$what: $_ stops" for @names;
    is_deeply [$farm->processes], [], "$what: no process is left";
}
sub clean_jobs { my ($farm, $campaign) = @_;
    return map { "$_->{board}: " . ($_->{error} ? "$_->{error}{type}: $_->{error}{detail}" : $_->{state}) }
        $farm->list("/campaigns/$campaign/jobs");
}

# --- started first: they wait longest
my @alone;
for my $a (@ALONE) {
    my ($kind, $board, $type, $attempts) = @$a;
    my $what = "$kind on $board";
    my $farm = farm_with_model($what, server_options => ['--attempts', $attempts]);
    one($farm, $kind, $board);
    ok $farm->start_agent('bad', virtual => "$board:1", fault($kind, 3)), "$what: the agent starts";
    push @alone, $farm;
}
my $swapped = farm_with_model('swapped', server_options => ['--attempts', 1]);
{
    my %rigs;
    for my $id (sort keys %SWAPPED) {
        local $Farm::BOARD = $SWAPPED{$id};
        my $said = $swapped->start_vboard("rig-$id");
        ok $said, "swapped: a $SWAPPED{$id} starts" or next;
        $rigs{"rig-$id"} = { %$said, board => $id };
    }
    one($swapped, 'swapped', sort keys %SWAPPED);
    ok $swapped->start_agent('host', rigs => $swapped->write_rigs(%rigs), no_wait => 1), 'swapped: the agent starts';
}

# --- 1. nine faults on five boards
my $farm = farm_with_model('all', server_options => ['--attempts', 1]);
my $file = "$farm->{dir}/fault";    # read by each board when it is reset: at the end of each flashing
sub all_boards { my ($kind) = @_;
    open my $f, '>', $file or die "$file: $!";
    print $f $kind;
    close $f;
}
all_boards('');
ok $farm->start_agent('host', virtual => \@BOARDS, fault("\@$file", 8)), 'all: an agent with ' . @BOARDS . ' boards starts';
ok $farm->wait_until('all boards', 60, sub { @BOARDS == $farm->live_rigs('host') }), 'all: the boards are there';
for my $f (@FAULTS) {
    my ($kind, $type, $detail) = @$f;
    all_boards($kind);
    my $c = one($farm, $kind, @BOARDS);
    ok $farm->wait_done($c, 120), "$kind: the campaign ends";
    for my $job (sort { $a->{board} cmp $b->{board} } $farm->list("/campaigns/$c/jobs")) {
        my $e = $job->{error} // { type => $job->{state}, detail => '' };
        is $e->{type}, $type, "$kind on $job->{board}: $type";
        like $e->{detail}, $detail, "$kind on $job->{board}: $e->{detail}";
    }
    is scalar $farm->list("/campaigns/$c/results"), 0, "$kind: nothing of it is a result";
    all_boards('');
    my $next = one($farm, "after $kind", @BOARDS);
    my $done = $farm->wait_done($next, 120);
    is $done && $done->{jobs}{done}, scalar @BOARDS, "$kind: the next job of every board is done"
        or diag map { "$_\n" } clean_jobs($farm, $next);
}
ends($farm, 'all', qw(host server));

# --- 2. another board behind the probe
ok $swapped->wait_done($swapped->{campaign}, 120), 'swapped: the campaign ends';
for my $job (sort { $a->{board} cmp $b->{board} } $swapped->list("/campaigns/$swapped->{campaign}/jobs")) {
    my $e = $job->{error} // { type => $job->{state}, detail => '' };
    is $e->{type}, 'wrong-board', "swapped: $SWAPPED{$job->{board}} in the place of $job->{board}: $e->{detail}";
}
is scalar $swapped->list("/campaigns/$swapped->{campaign}/results"), 0, 'swapped: nothing is measured';
ends($swapped, 'swapped', 'host', 'server', map { "rig-$_" } sort keys %SWAPPED);

# --- 3. A silent board and a good one serve the same queue: every job is done in the end, by the good one.
my $mixed = farm_with_model('mixed');
my $c     = $mixed->submit(model => $mixed->{model}, points => 8, repeats => 1, name => 'mixed')->{id};
ok $mixed->start_agent('silent', virtual => "$Farm::BOARD:1", fault('silent', 2)), 'mixed: an agent with a silent board';
ok $mixed->wait_until('a job on the silent board', 30, sub {
    grep { $_->{agent} eq 'silent' && $_->{state} eq 'busy' } $mixed->list('/rigs') }), 'mixed: which takes a job';
ok $mixed->start_agent('good', virtual => "$Farm::BOARD:1"), 'mixed: and one with a good board';
my $done = $mixed->wait_done($c, 200);
is $done && $done->{jobs}{done}, 8, 'mixed: every job is done';
my ($good) = $mixed->live_rigs('good');
is_deeply [keys %{ { map { $_->{rig} => 1 } $mixed->list("/campaigns/$c/results") } }], [$good->{name}],
    'mixed: by the good board'
    if $good && $good->{name};
my ($silent) = grep { $_->{agent} eq 'silent' } $mixed->list('/rigs');
ok $silent->{failures} >= 1, "mixed: the silent board's failures are counted ($silent->{failures})";
ends($mixed, 'mixed', qw(silent good server));

# A bit of the program flips in flash: the board notices, the program is written again, and no wrong point is stored.
my $flip = farm_with_model('bitflip');
one($flip, 'bitflip', $Farm::BOARD);
ok $flip->start_agent('bad', virtual => "$Farm::BOARD:1", fault('bitflip', 3)), 'bitflip: the agent starts';
$flip->wait_done($flip->{campaign}, 60);
my ($job) = $flip->list("/campaigns/$flip->{campaign}/jobs");
is $job->{state},    'done', 'bitflip: the job is done';
is $job->{attempts}, 2,      'bitflip: at the second attempt';
is $job->{result}{output}, 'match', 'bitflip: with the right output';
like scalar $flip->farm('log', $job->{id}), qr/CRC-32 does not match.*^failed: flash-failed: /ms, "bitflip: the job's log tells of the first";
ends($flip, 'bitflip', qw(bad server));

for my $i (0 .. $#ALONE) {
    my ($kind, $board, $type, $attempts) = @{ $ALONE[$i] };
    my $alone = $alone[$i];
    my $what  = "$kind on $board";
    ok $alone->wait_done($alone->{campaign}, 300), "$what: the campaign ends" or next;
    my ($failed) = $alone->list("/campaigns/$alone->{campaign}/jobs");
    is $failed->{state}, 'failed', "$what: the job failed";
    like $failed->{error}{type}, $type, "$what: with a name for it";
    ok length $failed->{error}{detail} > 10, "$what: and a sentence: $failed->{error}{detail}";
    is $failed->{attempts}, $attempts, "$what: after $attempts attempts";
    is scalar $alone->list("/campaigns/$alone->{campaign}/results"), 0, "$what: and gave no result";
    my ($log) = $alone->farm('log', $failed->{id});
    like $log, qr/\S/, "$what: the job has a log";
    my ($watched, $status) = $alone->farm('watch', $alone->{campaign});
    is $status, 1, "$what: farm watch ends with status 1";
    like $watched, qr/FAILED \Q$failed->{error}{type}\E: /, "$what: and tells why";
    ends($alone, $what, qw(bad server));
}
done_testing;
