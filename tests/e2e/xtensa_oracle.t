#!/usr/bin/env perl
# SPDX-License-Identifier: MIT
# The Xtensa core of the virtual board against QEMU: random instruction streams (registers, SAR, MAC16's and memory afterwards),
# a C program whose result the host knows as well, and whole inferences. Skipped where gcc-xtensa-lx106 or qemu-system-xtensa is missing.
use strict;
use warnings;
use File::Temp qw(tempdir);
use Test::More;

my $BIN = $ENV{FARM_BIN} // 'build/host/bin';
my $GCC = 'xtensa-lx106-elf-gcc';
for my $tool ("$GCC --version", 'qemu-system-xtensa --version') {
    plan skip_all => "no $tool" if system("$tool >/dev/null 2>&1") != 0;
}
my $dir     = tempdir('xtensa-XXXXXX', TMPDIR => 1, CLEANUP => 1);
my $STREAMS = $ENV{FARM_ORACLE_STREAMS} // 12;
my $LENGTH  = 1500;
my $BUFFER  = 512;    # bytes of memory that a stream works on

sub sh { my ($command) = @_;
    my $out = `$command 2>$dir/err`;
    return $out if $? == 0;
    open my $f, '<', "$dir/err";
    diag "$command\n", <$f>;
    return undef;
}

# Builds sources twice (for QEMU's core $cpu, unless that is undef, and for us), runs both, gives both results
# (hexadecimal) and our counters. QEMU translates single instructions: 7.2 gets some longer random sequences wrong.
sub run_both { my ($name, $cpu, $entry, $bytes, $flags, @sources) = @_;
    my %got;
    for my $kind (defined $cpu ? 'QEMU' : (), 'PLAIN') {
        sh("$GCC -O2 -ffreestanding -nostdlib -mtext-section-literals -I. -D$kind -DENTRY=$entry -DRESULT_BYTES=$bytes $flags"
              . " -Wl,--no-warn-rwx-segments -Wl,--build-id=none -T tests/oracle/xtensa.ld -o $dir/$name.$kind.elf"
              . " tests/oracle/xtensa_end.S @sources -lgcc") // return;
    }
    $got{qemu} = sh("timeout 60 qemu-system-xtensa -singlestep -M none -cpu $cpu -m 2047M -nographic -monitor none -serial none"
          . " -semihosting-config enable=on,target=native -device loader,file=$dir/$name.QEMU.elf,cpu-num=0") if defined $cpu;
    my ($symbol) = (sh("xtensa-lx106-elf-nm $dir/$name.PLAIN.elf") // '') =~ /^([0-9a-f]+) . oracle_result$/m;
    sh("xtensa-lx106-elf-objcopy -O binary $dir/$name.PLAIN.elf $dir/$name.bin");
    $got{ours} = sh("$BIN/xtensa-run $dir/$name.bin $symbol $bytes");
    ($got{counters}) = do { open my $f, '<', "$dir/err"; <$f> // '' };
    $_ = defined $_ ? unpack 'H*', $_ : '' for @got{qw(qemu ours)};
    return \%got;
}

# ---- random instructions ---------------------------------------------------------------------------

sub pick { return $_[rand @_] }
sub ar   { return 'a' . (2 + int rand 12) }    # a0, a1, a14, a15 have other uses: return, stack, buffer
sub bytes_of { my ($word) = @_;
    return sprintf '.byte %d, %d, %d', $word & 255, $word >> 8 & 255, $word >> 16;
}

sub rrr { my ($op2, $op1, $r, $s, $t) = @_; return bytes_of($op2 << 20 | $op1 << 16 | $r << 12 | $s << 8 | $t << 4) }

sub extui_field { my $bits = 1 + int rand 16; return int(rand(33 - $bits)) . ", $bits" }

sub base_instruction {
    my $i = int rand 13;
    return pick(qw(add addx2 addx4 addx8 sub subx2 subx4 subx8 and or xor add.n)) . " @{[ar()]}, @{[ar()]}, @{[ar()]}" if $i < 2;
    return pick(qw(mull mul16u mul16s)) . " @{[ar()]}, @{[ar()]}, @{[ar()]}" if $i == 2;
    return pick(qw(moveqz movnez movltz movgez src)) . " @{[ar()]}, @{[ar()]}, @{[ar()]}" if $i == 3;
    return pick(qw(neg abs sll srl sra nsa nsau mov.n)) . " @{[ar()]}, @{[ar()]}" if $i == 4;
    return pick(qw(ssr ssl ssa8l)) . " @{[ar()]}" if $i == 5;
    if ($i == 6) {
        return pick('slli ' . ar() . ', ' . ar() . ', ' . (1 + int rand 31), 'srai ' . ar() . ', ' . ar() . ', ' . int rand 32,
            'srli ' . ar() . ', ' . ar() . ', ' . int rand 16, 'ssai ' . int rand 32,
            'extui ' . ar() . ', ' . ar() . ', ' . extui_field());
    }
    if ($i == 7) {
        return pick('addi ' . ar() . ', ' . ar() . ', ' . (int(rand 256) - 128), 'addmi ' . ar() . ', ' . ar() . ', ' . 256 * (int(rand 256) - 128),
            'addi.n ' . ar() . ', ' . ar() . ', ' . pick(-1, 1 .. 15), 'movi.n ' . ar() . ', ' . (int(rand 128) - 32),
            'movi ' . ar() . ', ' . (int(rand 4096) - 2048));
    }
    return pick('rsr.sar ', 'wsr.sar ', 'xsr.sar ') . ar() if $i == 8 && rand() < 0.3;
    return 'l32r ' . ar() . ', constant' . int rand 4 if $i == 8;
    return pick('l8ui', 's8i') . ' ' . ar() . ', a15, ' . int rand 256 if $i == 9;
    return pick('l16ui', 'l16si', 's16i') . ' ' . ar() . ', a15, ' . 2 * int rand 256 if $i == 10;
    return pick('l32i', 's32i') . ' ' . ar() . ', a15, ' . 4 * int rand 128 if $i == 11;
    return pick('l32i.n', 's32i.n') . ' ' . ar() . ', a15, ' . 4 * int rand 16;
}

# What LX7 and QEMU's dc233c have but not the lx106 assembler.
sub more_instruction {
    my ($r, $s, $t) = map { 2 + int rand 12 } 1 .. 3;
    my $i = int rand 4;
    return rrr(pick(2, 3), 3, $r, $s, int rand 16) if $i == 0;                    # SEXT, CLAMPS
    return rrr(pick(4 .. 7), 3, $r, $s, $t) if $i == 1;                           # MIN, MAX, MINU, MAXU
    return "movi a$t, " . pick(-7 .. -1, 1 .. 2000) . "\n    " . rrr(pick(12 .. 15), 2, $r, $s, $t) if $i == 2;    # QUOU ...
    return base_instruction();
}

my $label = 0;

# MAC16 and zero-overhead loops, which LX7 and QEMU's dc233c have as well.
sub sr_access { my ($op2, $op1, $sr, $t) = @_; return bytes_of($op2 << 20 | $op1 << 16 | $sr << 8 | $t << 4) }

sub mac { my ($op2, $op1, $r, $s, $t) = @_; return bytes_of($op2 << 20 | $op1 << 16 | $r << 12 | $s << 8 | $t << 4 | 4) }

sub mac_instruction {
    my ($s, $t) = map { 2 + int rand 12 } 1 .. 2;
    my ($x, $y, $w) = (4 * int rand 2, 4 * int rand 2, int rand 4);
    my $address = "addi a$s, a15, " . 4 * (1 + int rand 30) . "\n    ";
    my $i = int rand 9;
    return mac(7, int rand 16, 0, $s, $t) if $i == 0;                                               # .AA
    return mac(3, 4 + int rand 12, 0, $s, $y) if $i == 1;                                           # .AD
    return mac(6, 4 + int rand 12, $x, 0, $t) if $i == 2;                                           # .DA
    return mac(2, 4 + int rand 12, $x, 0, $y) if $i == 3;                                           # .DD
    return $address . mac(pick(0, 1), 8 + int rand 4, $x + $w, $s, $y) if $i == 4;                  # MULA.DD.LDINC, LDDEC
    return $address . mac(pick(4, 5), 8 + int rand 4, $x + $w, $s, $t) if $i == 5;                  # MULA.DA.LDINC, LDDEC
    return $address . mac(pick(8, 9), 0, $w, $s, 0) if $i == 6;                                     # LDINC, LDDEC
    return sr_access(@{ pick([0, 3], [1, 3], [6, 1]) }, pick(16, 17, 32 .. 35), $t) if $i == 7;     # RSR, WSR, XSR
    return base_instruction();
}

# The loop's first instruction lies in one word, as silicon wants it.
sub loop { my ($instruction) = @_;
    my ($begin, $at, $end) = map { 'l' . ++$label } 1 .. 3;
    my ($kind, $count) = @{ pick([8, 1 + int rand 9], [9, int rand 9], [10, -2 + int rand 9]) };
    return ("movi a14, $count", "j $begin", '.align 4', "$begin:", 'nop.n', "$at:",
        sprintf('.byte 0x76, 0x%x, %s - %s - 4', $kind << 4 | 14, $end, $at),
        (map { $instruction->() } 1 .. 1 + int rand 6), "$end:");
}

sub branch {
    my $to = 'l' . ++$label;
    my $i  = int rand 6;
    my $b  = $i == 0 ? pick(qw(beqz bnez bltz bgez beqz.n bnez.n)) . ' ' . ar()
        : $i == 1 ? pick(qw(beqi bnei blti bgei)) . ' ' . ar() . ', ' . pick(-1, 1 .. 8, 10, 12, 16, 32, 64, 128, 256)
        : $i == 2 ? pick(qw(bltui bgeui)) . ' ' . ar() . ', ' . pick(2 .. 8, 10, 12, 16, 32, 64, 128, 256, 32768, 65536)
        : $i == 3 ? pick(qw(bbci bbsi)) . ' ' . ar() . ', ' . int rand 32
        :           pick(qw(beq bne blt bge bltu bgeu bany bnone ball bnall bbc bbs)) . ' ' . ar() . ', ' . ar();
    return ("$b, $to", (map { base_instruction() } 1 .. 1 + int rand 4), "$to:");
}

sub stream { my ($seed, $instruction) = @_;
    srand $seed;
    my @code = map { "movi a$_, " . (int(rand 4096) - 2048) } 2 .. 13;
    while (@code < $LENGTH) {
        push @code, rand() < 0.12 ? branch() : $instruction->();
        push @code, loop($instruction) if $instruction == \&mac_instruction && rand() < 0.05;
        if (rand() < 0.02) { # a counted loop, and jumps over constants
            my $l = 'l' . ++$label;
            push @code, 'movi a14, ' . (2 + int rand 20), "$l:", (map { $instruction->() } 1 .. 6), 'addi a14, a14, -1', "bnez a14, $l";
        }
        if (rand() < 0.01) {
            my ($l, $m) = ('l' . ++$label, 'l' . ++$label);
            push @code, "call0 $l", "j $m", '.align 4', "$l:", $instruction->(), pick('ret', 'ret.n', 'jx a0'), "$m:";
        }
    }
    my $save = join "\n", map { "    s32i a$_, a15, " . ($BUFFER + 4 * $_) } 2 .. 13;
    my @mac = $instruction == \&mac_instruction ? (16, 17, 32 .. 35) : ();
    $save .= join '', map { "\n    " . sr_access(0, 3, $mac[$_], 2) . "\n    s32i a2, a15, " . ($BUFFER + 68 + 4 * $_) } 0 .. $#mac;
    return <<"END" . join("\n", map { /:$/ ? $_ : "    $_" } @code) . <<"END2";
    .text
    .align 4
    .begin no-transform
    .literal_position
constant0: .word @{[int rand 2**32]}
constant1: .word @{[int rand 2**32]}
constant2: .word 0x80000000
constant3: .word 0x7fffffff
buffer: .word oracle_result
    .global oracle_stream
oracle_stream:
    l32r a15, buffer
    s32i a0, a1, 0
END

$save
    rsr.sar a2
    s32i a2, a15, @{[$BUFFER + 64]}
    l32i a0, a1, 0
    ret
    .end no-transform
    .bss
    .align 4
    .global oracle_result
oracle_result: .space @{[$BUFFER + 128]}
END2
}

for my $seed (1 .. $STREAMS) {
    for my $cpu (['lx106', \&base_instruction], ['dc233c', \&more_instruction], ['dc233c', \&mac_instruction]) {
        my ($name, $instruction) = @$cpu;
        my $file = "$dir/stream$seed$name.S";
        open my $f, '>', $file or die "$file: $!";
        print $f stream(1000 + $seed, $instruction);
        close $f;
        my $got = run_both("stream$seed$name", $name, 'oracle_stream', $BUFFER + 128, '', $file);
        ok $got && length $got->{qemu} == 2 * ($BUFFER + 128), "stream $seed runs on QEMU's $name" or next;
        is $got->{ours}, $got->{qemu}, "stream $seed: the same registers, special registers and memory";
        my ($n) = $got->{counters} =~ /instructions (\d+)/;
        cmp_ok $n, '>', $LENGTH / 2, "stream $seed: $n instructions";
    }
}

# ---- a program -------------------------------------------------------------------------------------

my $host = sh("gcc -O1 -fwrapv -I. -o $dir/host tests/oracle/host_main.c tests/oracle/xtensa_program.c && $dir/host");
my $want = unpack 'H*', $host // '';
my $base = run_both('program', 'lx106', 'oracle_main', 256, '-DARITH_BASE_ONLY',
    'tests/oracle/xtensa_program.c', 'firmware/soc/esp32s3/arith.c');
is length $want, 512, 'the program runs on the host';
is $base->{qemu}, $want, 'QEMU: the same result';
is $base->{ours}, $want, 'the virtual core: the same result';
my $lx7 = run_both('program7', undef, 'oracle_main', 256, '', 'tests/oracle/xtensa_program.c', 'firmware/soc/esp32s3/arith.c');
is $lx7->{ours}, $want, 'with the instructions of LX7 as well';
my ($slow, $fast) = map { /instructions (\d+)/ ? $1 : 0 } $base->{counters}, $lx7->{counters};
cmp_ok $fast, '<', $slow, "in fewer instructions ($fast, $slow without)";

# ---- whole inferences ------------------------------------------------------------------------------

my $MODELS = ($ENV{FARM_BUILD} // 'build') . '/models';
for my $case (['lenet5', 'plain'], ['lenet5', 'fused', '0-3:cols1 4-7:plain'], ['tiny_mbv2', 'fused', '0-9:cols2 10-15:rows 16-20:plain']) {
    my ($model, $how, @spec) = @$case;
    my $said = sh("$BIN/kernel-cases program $MODELS/$model.tflite generic $dir/$model.program " . join ' ', map { "'$_'" } @spec) // '';
    my @output = split ' ', $said;
    my $got = run_both("$model-$how", 'lx106', 'oracle_main', scalar @output,
        "-DARITH_BASE_ONLY -isystem firmware/libc -ffunction-sections -fdata-sections -Wl,--gc-sections '-DPROGRAM=\"$dir/$model.program\"'",
        'tests/oracle/xtensa_inference.c', 'firmware/soc/esp32s3/arith.c', 'firmware/libc/mem.c',
        glob('firmware/executor/*.c'), glob('firmware/kernels/*.c'));
    my $right = unpack 'H*', pack 'c*', @output;
    ok @output > 1, "$model, $how: the reference has an output";
    is $got && $got->{qemu}, $right, "$model, $how: QEMU's lx106 gives it";
    is $got && $got->{ours}, $right, "$model, $how: the virtual core gives it";
    note $got->{counters} if $got;
}
done_testing;
