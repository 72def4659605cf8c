#!/usr/bin/env perl
# SPDX-License-Identifier: MIT
# The executor as a library: its two folders, copied out of the repository, build with any C11 compiler without a warning,
# have no variables of their own, need four functions of the C library, and run one inference within another.
use strict;
use warnings;
use File::Temp qw(tempdir);
use Test::More;

my $BIN    = $ENV{FARM_BIN}   // 'build/host/bin';
my $MODELS = ($ENV{FARM_BUILD} // 'build') . '/models';
my $dir    = tempdir('library-XXXXXX', TMPDIR => 1, CLEANUP => 1);

sub sh { my ($command) = @_;
    my $out = `$command 2>$dir/err`;
    return $out if $? == 0;
    open my $f, '<', "$dir/err";
    diag "$command\n", <$f>;
    return undef;
}

ok defined sh("mkdir -p $dir/src/firmware && cp -r firmware/executor firmware/kernels $dir/src/firmware"), 'two folders are all';
my @programs = (['lenet5', 'generic'], ['tiny_mbv2', 'rv32']);
my @want;
for my $p (@programs) {
    my ($model, $variant) = @$p;
    my $out = sh("$BIN/kernel-cases program $MODELS/$model.tflite $variant $dir/$model.bin");
    push @want, $out // '';
    like $want[-1], qr/^(-?\d+\n)+$/, "$model: a program for $variant, and what it must say";
}
ok defined sh("$BIN/kernel-cases program $MODELS/lenet5.tflite armv7em $dir/armv7em.bin"), 'lenet5: a program for armv7em';
for my $cc (qw(gcc clang)) {
    if (system("$cc --version >/dev/null 2>&1") != 0) {
      SKIP: { skip "no $cc", 1 }
        next;
    }
    my $flags = '-std=c11 -pedantic -Wall -Wextra -Werror -O1 -fno-pie';
    my $link  = '-no-pie';
    my $build = "cd $dir/src && $cc $flags -I. firmware/executor/*.c firmware/kernels/*.c";
    ok defined sh("$build firmware/executor/example/main.c $link -o $dir/example-$cc"), "$cc: builds with -pedantic -Wall -Wextra -Werror";
    for my $i (0, 1) {
        is sh("$dir/example-$cc $dir/$programs[$i][0].bin"), $want[$i], "$cc: the example runs $programs[$i][0]";
    }
    ok defined sh("$build -DEXEC_ONLY=rv32 firmware/executor/example/main.c $link -o $dir/only-$cc"), "$cc: with rv32 and generic alone";
    is sh("$dir/only-$cc $dir/$programs[$_][0].bin"), $want[$_], "$cc: ... it runs $programs[$_][0]" for 0, 1;
    isnt system("$dir/only-$cc $dir/armv7em.bin >/dev/null 2>&1"), 0, "$cc: ... and refuses a program for armv7em";
    ok defined sh("cp tests/kernels/interleaved.c $dir/src && $build interleaved.c $link -o $dir/interleaved-$cc"),
        "$cc: two inferences at a time build";
    for my $i (0, 1) {
        my ($a, $b) = ($i, 1 - $i);
        is sh("$dir/interleaved-$cc $dir/$programs[$a][0].bin $dir/$programs[$b][0].bin"), $want[$a] . $want[$b],
            "$cc: $programs[$b][0] within $programs[$a][0], both right";
    }
    ok defined sh("mkdir -p $dir/$cc && cd $dir/$cc && for f in ../src/firmware/executor/*.c ../src/firmware/kernels/*.c; do"
          . " $cc $flags -ffreestanding -I../src -c \$f || exit 1; done"), "$cc: as objects";
    my $symbols = sh("nm $dir/$cc/*.o") // '';
    is join(' ', $symbols =~ /^[0-9a-f]+ [bBcCdD] (\S+)$/mg), '', "$cc: no variable outlives a call";
    my %defined = map { $_ => 1 } $symbols =~ /^[0-9a-f]+ [TR] (\S+)$/mg;
    my %needs = map { $_ => 1 } grep { !$defined{$_} } $symbols =~ /^ +U (\S+)$/mg;
    is_deeply [grep { !/^(memcpy|memmove|memset|strncmp|__stack_chk_fail)$/ } sort keys %needs], [],
        "$cc: needs memcpy, memmove, memset and strncmp only";
}
open my $f, '<', 'firmware/executor/example/main.c';
cmp_ok scalar(() = <$f>), '<=', 40, 'the example is short';
done_testing;
