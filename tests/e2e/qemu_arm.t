#!/usr/bin/env perl
# SPDX-License-Identifier: MIT
# A second opinion on the virtual Cortex-M cores: QEMU's mps2-an500 (Cortex-M7) and mps2-an386 (Cortex-M4) run executor
# and kernels with two programs of a network, and say the same of each: the same output, and the same number of
# instructions of exec_run(), to the last one. With -icount QEMU's time goes by instructions, 2^shift ns each, and SysTick
# counts it at 25 MHz in 24 bits: at 128 ns that is exact but for multiples of 5.2 M instructions, which the count at 32 ns
# tells. What the call around exec_run() takes is measured by a call of nothing and taken off.
# Needs qemu-system-arm (Debian: qemu-system-arm; tools/install has it). Without it the test is skipped, but fails where
# CI is set.
use strict;
use warnings;
use lib 'tests/e2e';
use Farm;
use Test::More;

if (system('qemu-system-arm --version >/dev/null 2>&1') != 0) {
    plan skip_all => 'no qemu-system-arm' unless $ENV{CI};
    fail 'qemu-system-arm is there (Debian package qemu-system-arm)';
    done_testing;
    exit;
}
my %BOARD = ('cortex-m7' => 'nucleo-f767zi', 'cortex-m4' => 'nucleo-f412zg');
my %MACHINE = ('cortex-m7' => 'mps2-an500', 'cortex-m4' => 'mps2-an386');

my $farm = Farm->new;
my $dir  = $farm->{dir};
ok $farm->start_server, 'the server starts' or BAIL_OUT('no server');

# Elf and flat image of executor, kernels and a program.
sub build { my ($core, $name, $program) = @_;
    my $elf = "$dir/$core-$name.elf";
    open my $f, '>', "$dir/$name.S" or die "$name.S: $!";
    print $f ".section .program,\"a\"\n.balign 8\n.global oracle_model\noracle_model: .incbin \"$program\"\n";
    close $f;
    my $built = system('arm-none-eabi-gcc', "-mcpu=$core", qw(-mthumb -mfloat-abi=soft -std=c11 -ffreestanding -O2 -fno-common
        -ffunction-sections -fno-tree-loop-distribute-patterns -I. -isystem firmware/libc -nostdlib -static), '-Wl,--gc-sections,--build-id=none',
        '-T', 'tests/oracle/arm.ld', '-o', $elf, 'tests/oracle/arm_program.c', 'firmware/libc/mem.c', glob('firmware/executor/*.c'),
        glob('firmware/kernels/*.c'), "$dir/$name.S", '-lgcc');
    my $flat = system('arm-none-eabi-objcopy', '-O', 'binary', '-j', '.image', $elf, "$elf.bin");
    return $built == 0 && $flat == 0 ? $elf : undef;
}

sub read_output { my ($path) = @_;
    open my $f, '<', $path or return '';
    local $/;
    return <$f> // '';
}

# What SysTick counted for exec_run() alone, and the output.
sub ticks { my ($core, $elf, $shift) = @_;
    system('timeout', '60', 'qemu-system-arm', '-M', $MACHINE{$core}, qw(-display none -monitor none -serial none -icount), "shift=$shift",
        '-chardev', "file,id=said,path=$elf.said", '-semihosting-config', 'enable=on,target=native,chardev=said', '-kernel', $elf);
    my $text = read_output("$elf.said");
    my ($nothing, $run) = map { hex } $text =~ /^ticks ([0-9a-f]{6})$/mg;
    return (undef, $text) unless defined $run;
    return ($run - $nothing, $text =~ /^output (\w+)/m ? $1 : $text);
}

# {output, instructions of exec_run()}
sub on_qemu { my ($core, $elf) = @_;
    my ($coarse)       = ticks($core, $elf, 5);
    my ($fine, $output) = ticks($core, $elf, 7);
    return { output => $output, instructions => -1 } unless defined $coarse && defined $fine;
    my ($estimate, $n) = ($coarse * 40 / 32, $fine * 40 / 128);
    my $period = 2**24 * 40 / 128;
    $n += $period while $n < $estimate - $period / 2;
    return { output => $output, instructions => int($n + 0.5) };
}

sub on_vboard { my ($core, $elf) = @_;
    my $text = `$Farm::BIN/arm-run $core $elf.bin 2>$elf.counts`;
    my @at = read_output("$elf.counts") =~ /^instructions (\d+)/mg;
    # BKPTs: ticks, nothing, its hex, newline, ticks, exec_run ...
    return { output => $text =~ /^output (\w+)/m ? $1 : $text, instructions => @at > 5 ? $at[5] - $at[4] - ($at[1] - $at[0]) : -1 };
}

my $name  = 'tiny_mbv2';
my $model = $farm->upload("$Farm::MODELS/$name.tflite", $name) or BAIL_OUT("$name is not imported");
for my $core (sort keys %BOARD) {
    my ($least) = grep { $_->{fits} } @{ $farm->get("/models/$model->{id}/front?board=$BOARD{$core}")->{points} };
    my %specs = (fused => $least->{spec}, plain => '0-' . ($model->{layers} - 1) . ':plain');
    for my $how (sort keys %specs) {
        my $c = $farm->submit(model => $model->{id}, boards => [$BOARD{$core}], specs => [$specs{$how}], repeats => 1);
        my ($job) = $c ? $farm->list("/campaigns/$c->{id}/jobs") : ();
        my (undef, $status, $reply) = $farm->call('GET', '/jobs/' . ($job ? $job->{id} : 0) . '/program');
        is $status, 200, "$name, $how: the program of a job for $BOARD{$core}" or next;
        my $program = "$dir/$core-$how.prog";
        open my $f, '>:raw', $program or die "$program: $!";
        print $f $reply->{content};
        close $f;
        my $elf = build($core, "$name-$how", $program);
        ok $elf, "  executor, kernels and program for $core" or next;
        my ($qemu, $ours) = (on_qemu($core, $elf), on_vboard($core, $elf));
        like $qemu->{output}, qr/^[0-9a-f]{2,}$/, "  QEMU's $MACHINE{$core} runs it";
        is $ours->{output}, $qemu->{output}, '  the virtual core gives the same output';
        cmp_ok $qemu->{instructions}, '>', 10_000, "  QEMU retired $qemu->{instructions} instructions";
        is $ours->{instructions}, $qemu->{instructions}, '  the virtual core as many';
    }
}
done_testing;
