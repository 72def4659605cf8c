#!/usr/bin/env perl
# SPDX-License-Identifier: MIT
# Every kernel variant on every core, against plain loops: random layers with shapes, strides, paddings, zero points and
# multipliers at the edges of their ranges, and short networks cut at random; on the host and on the virtual boards'
# cores. The arena has its exact size and stands between guards, the input lies at any address.
use strict;
use warnings;
use File::Temp qw(tempdir);
use JSON::PP qw(decode_json);
use Test::More;
use Time::HiRes qw(time);

my $BIN    = $ENV{FARM_BIN}   // 'build/host/bin';
my $BUILD  = $ENV{FARM_BUILD} // 'build';
my $FAMILY = $ENV{FARM_KERNEL_CASES} // 200;    # networks of each family
my $dir    = tempdir('kernels-XXXXXX', TMPDIR => 1, CLEANUP => 1);

my @used = `$BIN/kernel-cases random $FAMILY $dir/cases`;
is $?, 0, 'the cases are written' or done_testing, exit;
my %programs = map { /^(\S+ \S+): (\d+) programs/ ? ($1, $2) : () } @used;
for my $kernel (
    'generic conv', 'generic dwconv', 'armv7em conv_x2', 'armv7em dwconv_x2',
    'rv32 conv_b4', 'rv32 dwconv_fir', 'lx7 conv_m16', 'lx7 dwconv_m16') {
    cmp_ok $programs{$kernel} // 0, '>', $FAMILY / 4, "$kernel is used by " . ($programs{$kernel} // 0) . ' programs';
}
for my $core (qw(host cortex-m7 cortex-m4 cortex-m3 rv32 xtensa)) {
    my $t = time;
    my @out = `$BIN/kernel-run $core $dir/cases @{[$core eq 'host' ? '' : "$BUILD/kernels/$core.bin"]} 2>&1`;
    is $?, 0, "$core: every case runs to its end and is right" or diag @out;
    my @variants = grep { /^$core \S+: \d+ cases/ } @out;
    cmp_ok scalar @variants, '>=', 4, "$core: every variant was tried";
    like $_, qr/: (\d{3,}) cases, 0 bad$/, $_ for map { chomp; $_ } @variants;
    note sprintf '%s took %.1f s', $core, time - $t;
}
my $thumb2 = `arm-none-eabi-objdump -d $BUILD/kernels/cortex-m3.elf`;
like $thumb2, qr/\bmla\b/, 'the image for plain Thumb-2 multiplies';
unlike $thumb2, qr/\t(?:smla[bdtw]\w*|smu[as]d\w*|smul[bt]{2}|[su]xt(?:b16|a[bh]\w*)|v\w+(?:\.\w+)*)\t/, '... without what it does not have';
# Where the output lies outside the arena, as tools/bench measures chains of convolutions: right, and the same work.
for my $core (qw(cortex-m7 rv32 xtensa)) {
    my $variant = $core eq 'cortex-m7' ? 'armv7em' : 'rv32';
    my %instructions;
    for my $end ('', ' output:outside') {
        system "$BIN/kernel-cases model $BUILD/models/tiny_mbv2.tflite $variant $dir/model '0-20:plain$end' > $dir/used";
        my $out = `$BIN/kernel-run $core $dir/model $BUILD/kernels/$core.bin 2>&1`;
        like $out, qr/^$core $variant: 1 cases, 0 bad$/m, "$core: tiny_mbv2$end is right";
        ($instructions{$end}) = $out =~ /: (\d+) instructions, /;
    }
    cmp_ok abs(($instructions{' output:outside'} // 0) / ($instructions{''} || 1) - 1), '<', 0.01, "$core: as much work";
}
# What the executor spends between kernels is at most a twentieth, plain and with the least RAM, where kernel calls are
# shortest.
sub between_kernels { my ($dir_of, $model) = @_;
    my $file = "$dir_of/$model.tflite";
    my $plan = decode_json(`$BIN/farm plan $file --json`);
    my ($least) = sort { $a->{arena_bytes} <=> $b->{arena_bytes} } @{ $plan->{points} };
    for my $spec ('0-' . ($plan->{info}{layers} - 1) . ':plain', $least->{spec}) {
        my $made = system "$BIN/kernel-cases model $file armv7em $dir/model '$spec' > $dir/used";
        my $out  = $made ? 'no case' : `$BIN/kernel-run cortex-m7 $dir/model $BUILD/kernels/cortex-m7.bin 2>&1`;
        my ($all, $between) = $out =~ /: (\d+) instructions, (\d+) outside/ or diag $out;
        my $percent = $all ? 100 * $between / $all : 100;
        cmp_ok $percent, '<=', 5, sprintf '%s: %.2f %% between kernels, with %s', $model, $percent, substr $spec, 0, 40;
    }
}
between_kernels("$BUILD/models", $_) for qw(mcunet_vww5_r80_chain mcunet_320k_r176_chain);
SKIP: {
    my $shared = '../shared/models/files';
    skip "no $shared", 4 if !-d $shared;
    between_kernels($shared, $_) for qw(fomo_mbv2_035_person mcunet_vww1);
}
# A comparison that cannot fail is none: a byte of an expected output is changed.
open my $f, '+<:raw', "$dir/cases" or die "$dir/cases: $!";
local $/;
my $block = <$f>;
my ($first) = unpack 'x20 L<', $block;
my $output = unpack 'x16 L<', substr $block, $first;
substr($block, $output, 1) ^= "\x01";
seek $f, 0, 0;
print $f $block;
close $f;
like `$BIN/kernel-run host $dir/cases 2>&1`, qr/case 0, \S+ .*: wrong bytes/, 'a byte that differs is found';
substr($block, $first + 20, 4) = pack 'L<', 1 << 20; # bytes of the output
open $f, '>:raw', "$dir/cases" or die "$dir/cases: $!";
print $f $block;
close $f;
like `$BIN/kernel-run host $dir/cases 2>&1`, qr/case 0, \S+ .*: has more arena, input or output than cases\.h has room for$/m,
    'a case that is too large is named';
done_testing;
