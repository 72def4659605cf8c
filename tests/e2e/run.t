#!/usr/bin/env perl
# SPDX-License-Identifier: MIT
# `make run` as a user meets it: the table, the page's address, a second one on the same data, Ctrl-C, kill -9.
use strict;
use warnings;
use lib 'tests/e2e';
use Farm;
use HTTP::Tiny;
use IO::Socket::INET;
use Test::More;

my $farm = Farm->new;
delete $ENV{MODEL};
@ENV{qw(O DATA POINTS VIRTUAL)} = ($ENV{FARM_BUILD} // 'build', "$farm->{dir}/run", 3, "$Farm::BOARD:1");
delete $ENV{PORT};

# Port 8080 is taken by a stranger, at least by this one: the next free one must do.
my $stranger = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => 8080, Listen => 1, ReuseAddr => 1);

sub start { my ($name) = @_;
    $farm->start_process($name, 'tools/run');
    return $farm->wait_until("the page of $name", 60, sub {
        return 'dead' unless $farm->is_alive($name);
        return $farm->log_of($name, 'out') =~ /^== The page: (http\S+)$/m ? $1 : undef;
    });
}

sub signal_group { my ($name, $signal) = @_;    # as the terminal does on Ctrl-C: to the whole process group
    kill $signal, -$farm->{pid}{$name};
    $farm->wait_until("$name ends", 30, sub { !$farm->is_alive($name) });
    return $farm->{status}{$name};
}

my $url = start('first');
like $url, qr{^http://127\.0\.0\.1:\d+$}, 'it serves a page' or BAIL_OUT('make run does not run');
unlike $url, qr/:8080$/, 'not on the port that another program has';
my $text = $farm->log_of('first', 'out');
like $text, qr/campaign 1 of tiny_mbv2: 3 measured, 0 failed/, 'three points were measured';
is scalar(() = $text =~ /\bemulated  match\b/g), 3, 'and are in the table, each with the right output';
my $page = HTTP::Tiny->new->get("$url/");
is $page->{status}, 200, 'the page is there';
like $page->{content}, qr/<html/i, 'and is a page';

my $log = "$farm->{dir}/second.txt";
is system("MODEL=$Farm::MODELS/lenet5.tflite tools/run >$log 2>&1"), 0, 'a second one on the same data ends well';
open my $f, '<', $log or die "$log: $!";
$text = do { local $/; <$f> };
like $text, qr/runs already .* at \Q$url\E/, 'says that a farm runs there';
my @front = grep { /\d:(?:plain|cells|cols|rows)/ } `$Farm::BIN/farm plan $Farm::MODELS/lenet5.tflite`;
my $points = @front < 3 ? @front : 3;
cmp_ok $points, '>', 0, 'lenet5 has a front';
like $text, qr/campaign 2 of lenet5: $points measured, 0 failed/, 'and measures its model with it';

is signal_group('first', 'INT') >> 8, 130, 'Ctrl-C ends it';
like $farm->log_of('first', 'out'), qr/^Stopped\. The results stay in /m, 'it says so';
is_deeply [$farm->processes], [], 'no process is left';
is(HTTP::Tiny->new(timeout => 2)->get("$url/healthz")->{status}, 599, 'nobody answers on its port');

$url = start('again');
like $farm->log_of('again', 'out'), qr/campaign 3 of tiny_mbv2: 3 measured, 0 failed/, 'it runs again on the same data';
sub also { my ($settings) = @_;    # another one while that serves
    my $said = "$farm->{dir}/also.txt";
    my $status = system("$settings tools/run >$said 2>&1") >> 8;
    open my $h, '<', $said or die "$said: $!";
    local $/;
    return ($status, <$h>);
}
my ($status, $said) = also("VIRTUAL='$Farm::BOARD nucleo-f446re' POINTS=1 MODEL=$Farm::MODELS/mbv2_w035_r144.tflite");
is $status, 0, 'a model that is too large for one of the boards';
like $said, qr/^nucleo-f446re is left out: the model does not fit it$/m, 'that board is left out and named';
like $said, qr/campaign 4 of mbv2_w035_r144: 1 measured, 0 failed/, 'the other one measures it';
($status, $said) = also("VIRTUAL=nucleo-f446re MODEL=$Farm::MODELS/mbv2_w035_r144.tflite");
isnt $status, 0, 'a model that fits no board is refused';
like $said, qr/does not fit the board/, '... saying so';
($status, $said) = also('MODEL=README.md');
isnt $status, 0, 'what is no model is refused';
like $said, qr/not a usable model|cannot be used|flatbuffer/i, '... saying so';
is signal_group('again', 'TERM') >> 8, 143, 'SIGTERM ends it';
is_deeply [$farm->processes], [], 'no process is left';

ok start('killed'), 'it runs a third time' or diag $farm->log_of('killed', 'out'), $farm->log_of('killed'), map { qx(tail -n 8 '$farm->{dir}/run/$_.log') } qw(server agent);
$farm->stop('killed', 'KILL');
ok $farm->wait_until('the rest', 20, sub { !$farm->processes }), 'after kill -9 of it everything else ends too';
done_testing;
