#!/usr/bin/env perl
# SPDX-License-Identifier: MIT
# Every virtual board, behind an ST-LINK or a JTAG adapter, at once behind one agent: the same model on each, a plain
# run and a spread of the front. Each output is right, RAM is as predicted to the byte, and each board is what its folder
# says. Prints how long flashing took and what an inference costs.
use strict;
use warnings;
use lib 'tests/e2e';
use Farm;
use JSON::PP ();
use Test::More;
use Time::HiRes qw(time);

# Cores that can be virtual, and the timing model of each.
my %TIMING = ('Cortex-M4' => 'm4-table', 'Cortex-M7' => 'm7-table', 'Xtensa LX7' => 'lx7-table',
    'RV32IMAC' => 'fe310-table', 'RV32IMC' => 'c3-table');

# Instructions of all layers and the interpreter are those of a run, but for what a kernel call needs more or less around
# the hook and a block around its record (t_vboard_firmware.c, test_profile()).
my $TOLD = 4;
sub profile_adds_up { my ($r) = @_;
    my $p = $r->{profile} or return 0;
    my ($sum, $calls) = ($p->{interpreter}{instructions}, 0);
    ($sum += $_->{instructions}, $calls += $_->{calls}) for @{ $p->{layers} };
    my ($off, $slack) = ($sum - $r->{instructions}, 40 * @{ $p->{blocks} });
    return $calls == $p->{interpreter}{calls} && abs($off) <= $TOLD * $calls + $slack;
}

my %board;
for my $file (glob 'firmware/boards/*/board.json') {
    open my $f, '<:raw', $file or die "$file: $!";
    local $/;
    my $b = JSON::PP->new->decode(scalar <$f>);
    $board{ $b->{id} } = $b if $TIMING{ $b->{core} };
}
my @ids = sort keys %board;
ok @ids >= 5, scalar(@ids) . " boards: @ids";

# Flash that executor and kernels take of each firmware.
for (`tools/code-size @ids`) {
    my ($id, $executor, $kernels) = /^(\S+) +(\d+) +(\d+)/ or next;
    ok $executor > 1000 && $kernels > 5000 && $executor + $kernels <= 32_000, "$id: $executor + $kernels B of code, at most 32 kB";
}
my $farm = Farm->new;
ok $farm->start_server, 'the server starts' or BAIL_OUT('no server');
ok $farm->start_agent('host-1', virtual => "$ids[0]:1", options => [map { ('--virtual', "$_:1") } @ids[1 .. $#ids]]),
    'the agent starts' or BAIL_OUT('no agent');
ok $farm->wait_until('all rigs', 40, sub { $farm->live_rigs('host-1') == @ids }), 'with a rig of each board';

my $model = $farm->upload("$Farm::MODELS/tiny_mbv2.tflite", 'tiny_mbv2') or BAIL_OUT('no model');
my $plain = '0-' . ($model->{layers} - 1) . ':plain';
my (%campaign, %specs, %crc);
for my $id (@ids) {
    my @fits = grep { $_->{fits} } @{ $farm->get("/models/$model->{id}/front?board=$id")->{points} };
    my %s = map { $fits[$_ * $#fits / 4]{spec} => 1 } 0 .. 4;
    $s{$plain} = 1 if $model->{plain_arena_bytes} <= $board{$id}{arena_max_bytes};
    $specs{$id}    = [sort keys %s];
    $campaign{$id} = $farm->submit(model => $model->{id}, boards => [$id], specs => $specs{$id}, repeats => 2);
    ok $campaign{$id}, "$id: " . keys(%s) . ' configurations are queued';
}
for my $id (@ids) {
    my $c = $campaign{$id} or next;
    my $done = $farm->wait_done($c->{id}, 240);
    is $done && $done->{jobs}{done}, scalar @{ $specs{$id} }, "$id: every job is done"
        or diag map { "$_->{spec}: $_->{error}{type} $_->{error}{detail}\n" } grep { $_->{error} } $farm->list("/campaigns/$c->{id}/jobs");
    my @r = $farm->list("/campaigns/$c->{id}/results");
    $crc{ $_->{output_crc32} } = 1 for @r;
    is scalar @r, scalar @{ $specs{$id} }, "$id: a result for every configuration";
    is scalar(grep { $_->{output} eq 'match' } @r), scalar @r, "$id: with the right output";
    is_deeply [map { $_->{arena_bytes} } @r], [map { $_->{predicted_arena_bytes} } @r], "$id: RAM as predicted";
    is scalar(grep { $_->{clock_hz} == $board{$id}{clock_hz} } @r), scalar @r, "$id: at the clock of its folder";
    is scalar(grep { $_->{kernels} eq $board{$id}{kernels} } @r), scalar @r, "$id: with its kernels";
    my $timing = $TIMING{ $board{$id}{core} };
    is scalar(grep { $_->{emulated} && $_->{timing} =~ /^\Q$timing\E/ } @r), scalar @r, "$id: timed by $timing";
    is scalar(grep { profile_adds_up($_) } @r), scalar @r, "$id: layers and interpreter add up to a run";
    my ($p) = grep { $_->{spec} eq $plain } @r;
    note sprintf '%s: plain run %d cycles, %d instructions, %.2f ms', $id, $p->{cycles}{median}, $p->{instructions}, $p->{ms}
        if $p;
}
is scalar(keys %crc), 1, 'all boards and configurations give the same output';
is $farm->stop('host-1'), 0, 'the agent stops';

# Flashing alone: an erased board, the firmware and 200,000 bytes of program, written and verified.
my $program = "$farm->{dir}/program.bin";
open my $f, '>:raw', $program or die "$program: $!";
srand 1;
print $f pack 'C*', map { int rand 256 } 1 .. 200_000;
close $f;
for my $id (@ids) {
    local $Farm::BOARD = $id;
    my $said = $farm->start_vboard("flash-$id") or fail("$id: the virtual board starts"), next;
    my $begin = time;
    my $status = system 'openocd', '-l', "$farm->{dir}/openocd.log",
        '-c', 'gdb_port disabled; telnet_port disabled; tcl_port disabled',
        '-c', $said->{jtag_tty} ? "set FARM_JTAG_TTY $said->{jtag_tty}" : "set FARM_STLINK_PORT $said->{stlink_port}",
        '-c', 'set FARM_SERIAL ' . uc "flash-$id",
        '-f', "firmware/boards/$id/openocd.cfg",
        '-c', "init; farm_flash {$Farm::FIRMWARE/$id/firmware.elf} {$program}; shutdown";
    is $status, 0, "$id: OpenOCD flashes it with its own board file";
    note sprintf '%s: flashed and verified in %.2f s', $id, time - $begin;
    is $farm->stop("flash-$id"), 0, "$id: the virtual board stops";
}

is $farm->stop('server'), 0, 'the server stops';
is_deeply [$farm->processes], [], 'no process is left';
done_testing;
