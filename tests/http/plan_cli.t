#!/usr/bin/env perl
# SPDX-License-Identifier: MIT
# `farm plan list`, `show` and `run`: what they say, and with which exit status they end.
use strict;
use warnings;
use lib 'tests/http';
use Api;
use IO::Socket::INET;
use JSON::PP ();
use Test::More;

my $api = Api->new;
$api->{options} = [$api->plans];
$api->plan('one', title => 'One network', configurations => [{ strategy => 'vanilla' }]);
$api->plan('bad', boards => ['nowhere']);
ok $api->start, 'the server starts' or BAIL_OUT('no server');

# Starts the client; measures what it queues, each measurement taking so many cycles, or does what stands in place of one; gives its
# text and exit status.
sub farm { my ($words, @cycles) = @_;
    my $pid = open(my $f, '-|') // die "fork: $!";
    if ($pid == 0) {
        $api->{pid} = undef;
        alarm 30;
        open STDERR, '>&', \*STDOUT;
        $ENV{FARM_SERVER} = $api->{url};
        exec { "$Api::BIN/farm" } "$Api::BIN/farm", @$words or POSIX::_exit(127);
    }
    for my $cycles (@cycles) {
        my $l;
        $cycles->(), next if ref $cycles;
        $api->wait_until(15, sub { ($l, my $s) = $api->lease; $s == 200 }) or last;
        $api->result($l, 'hello.emulated' => JSON::PP::false, 'hello.timing' => undef, 'hello.timing_version' => undef,
            'hello.firmware' => $cycles > 1_020_000 ? 'cd' x 20 : 'ab' x 20, runs => [map { { cycles => $cycles, instructions => '9' } } 1, 2]);
    }
    local $/;
    my $text = <$f> // '';
    close $f;
    return ($? >> 8, $text);
}

my ($status, $text) = farm(['plan', 'list']);
is $status, 0, 'farm plan list';
like $text, qr/^one +by hand +- +- +One network$/m, 'names the plans';
like $text, qr/^bad .*wrong: boards\[0\]: there is no board "nowhere"/m, 'and what is wrong with one';
($status, $text) = farm(['plan', 'show', 'one']);
is $status, 4, 'a plan that has not run';
like $text, qr/has not finished a run yet/, 'cannot be shown';
my $xml = "$api->{dir}/junit.xml";
($status, $text) = farm(['plan', 'run', 'one', '--wait', '--junit', $xml], 1_000_000);
is $status, 0, 'a run that is a pass';
like $text, qr/^# one, run 1: ok$/m, 'is summed up';
like Api::read_file($xml), qr/<testsuite name="one" id="1"[^>]* tests="1" failures="0" errors="0" skipped="0">/, 'and written as JUnit XML';
farm(['plan', 'run', 'one', '--wait'], 1_000_000) for 1 .. 6;
($status, $text) = farm(['plan', 'run', 'one', '--wait', '--junit', $xml], 1_050_000, 1_050_000);
is $status, 1, 'a regression: exit status 1' or diag $text;
like $text, qr/^\| slower \| tiny\\_mbv2 /m, 'with what it is';
like Api::read_file($xml), qr/failures="1".*<failure type="slower" message="slower: cycles 1000000 to 1050000 \(\+5\.00 %\)/s, 'in JUnit XML too';
($status, $text) = farm(['plan', 'show', 'one']);
is $status, 0, 'farm plan show';
like $text, qr/^# one, run 8: regression$/m, 'shows the newest';
($status, $text) = farm(['plan', 'show', '1', '--json']);
is JSON::PP::decode_json($text)->{id}, 1, 'or the run that is named, as JSON';
($status, $text) = farm(['plan', 'run', 'one']);
is $status, 0, 'without --wait';
like $text, qr/^run 9 of one has begun/, 'it only says that it has begun';
($status, $text) = farm(['plan', 'run', 'one', '--wait']);
is $status, 4, 'a second one at once is refused';
$api->call('DELETE', '/runs/9');
my $wait = fork;
if ($wait == 0) {    # cancels what the client waits for
    $api->{pid} = undef;
    $api->wait_until(15, sub { (($api->get('/runs/10') // {})->{state} // '') =~ /planning|running/ });
    $api->call('DELETE', '/runs/10');
    POSIX::_exit(0);
}
($status, $text) = farm(['plan', 'run', 'one', '--wait']);
waitpid $wait, 0;
is $status, 5, 'a run that was cancelled says nothing about the code: 5';
($status, $text) = farm(['plan', 'run', 'bad', '--wait']);
is $status, 4, 'a wrong plan is refused';
like $text, qr/boards\[0\]/, 'naming the field';

# A server that goes away while the run is waited for
sub running { $api->wait_until(15, sub { (($api->get('/plans/two/runs')->{items}[0] // {})->{state} // '') eq 'running' }) }
$api->plan('two', configurations => [{ strategy => 'vanilla' }]);
$api->wait_until(15, sub { ($api->get('/plans/two') // {})->{valid} });
($status, $text) = farm(['plan', 'run', 'two', '--wait'], sub {
    running();
    $api->stop('KILL');
    my $proxy = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $api->{port}, Listen => 5, ReuseAddr => 1) or die "proxy: $!";
    for (1 .. 2) {
        my $c = $proxy->accept;
        sysread $c, my $request, 4096;
        print $c "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        close $c;
    }
    close $proxy;
    $api->start or die 'no server';
}, 1_000_000);
is $status, 0, 'a server that is away, and a proxy that says 502, are waited for' or diag $text;
like $text, qr/^farm: no answer from \S+ \(.+\); waiting up to 60 s for it\nfarm: the server answers again$/m, 'and it says so, once';
($status, $text) = farm(['plan', 'run', 'two', '--wait', '--patience', 1], sub { running(); $api->stop('KILL') });
is $status, 3, 'one that stays away is given up: no server, 3';
like $text, qr/; waiting up to 1 s for it\nfarm: no answer from/, 'which says so as well';
ok $api->start, 'the server is back';
is $api->stop, 0, 'SIGTERM ends the server well';
done_testing;
