#!/usr/bin/env perl
# SPDX-License-Identifier: MIT
# What a stranger may not do: other origins, other hosts, no token, too much, too deep, too slow.
use strict;
use warnings;
use lib 'tests/http';
use Api;
use Digest::SHA qw(sha256_hex);
use Test::More;
use Time::HiRes qw(sleep time);

my $api = Api->new;
ok $api->start, 'the server starts' or BAIL_OUT('no server');
sub request { my ($line, @headers) = @_;
    my $got = $api->raw(join("\r\n", "$line HTTP/1.1", @headers, 'Connection: close', '', ''));
    my ($status) = $got =~ m{^HTTP/1\.1 (\d+)};
    return wantarray ? ($status, $got) : $status;
}

# Host and Origin
is request('GET /api/v1/models', "Host: $_"), 200, "Host $_ is answered"
    for 'localhost', "127.0.0.1:$api->{port}", '[::1]:80', 'LOCALHOST:1', '127.9.9.9';
is request('GET /api/v1/models', "Host: $_"), 403, "Host $_ is not"
    for 'evil.example', "evil.example:$api->{port}", '127.0.0.1.evil.example', 'localhost.evil.example', '128.0.0.1', '';
my $host = "Host: 127.0.0.1:$api->{port}";
is request('GET /api/v1/models', $host, "Origin: http://127.0.0.1:$api->{port}"), 200, 'the own origin';
is request('POST /api/v1/campaigns', $host, "Origin: $_", 'Content-Length: 0'), 403, "Origin $_ is refused"
    for 'http://evil.example', 'null', 'http://127.0.0.1:1', 'file://';
is request('GET /api/v1/models', $host, 'Sec-Fetch-Site: cross-site', 'Sec-Fetch-Mode: no-cors'), 403,
    'a request that another site caused';
is request('GET /healthz', $host, 'Sec-Fetch-Site: cross-site', 'Sec-Fetch-Mode: navigate'), 200, 'a link is a link';
my (undef, $answer) = request('GET /api/v1/models', $host);
like $answer, qr/^$_/mi, $_
    for 'X-Content-Type-Options: nosniff', "Content-Security-Policy: default-src 'none'",
    'Cross-Origin-Resource-Policy: same-origin', 'Referrer-Policy: no-referrer';
unlike $answer, qr/^Access-Control-/mi, 'no CORS header';

# Paths and methods
is $api->fails(GET => '/nothing'), '404 not-found', 'nothing there';
is $api->fails(GET => '/models/' . 'a' x 600), '404 not-found', 'a very long path';
is $api->fails(GET => '/models/a/b/c'), '404 not-found', 'too many segments';
is $api->fails(PUT => '/models', 'x'), '405 method-not-allowed', 'PUT';
my (undef, undef, $h) = $api->call(PUT => '/models', 'x');
is $h->{allow}, 'GET, HEAD, POST', 'Allow says what is possible';
(undef, undef, $h) = $api->call(POST => '/campaigns/1', '{}');
is $h->{allow}, 'GET, HEAD, DELETE', 'for every path';
is $api->fails(POST => '!/index.html', 'x'), '405 method-not-allowed', 'POST on the page';
is((($api->call(HEAD => '/models'))[1]), 200, 'HEAD');
is $api->fails(OPTIONS => '/models'), '405 method-not-allowed', 'no preflight is answered';

# Bodies
is $api->fails(POST => '/campaigns', $_->[0]), $_->[1], $_->[2]
    for ['', '400 bad-json', 'no JSON'], ['{', '400 bad-json', 'half an object'], ['hello', '400 bad-json', 'text'],
    ['[]', '400 bad-json', 'an array'], ['{"a":1}x', '400 bad-json', 'something behind it'],
    ["{\"model\":\"\xff\"}", '400 bad-json', 'not UTF-8'], ["{\"model\":\"a\nb\"}", '400 bad-json', 'a raw line feed'],
    ['{"model":"a\u0000b"}', '400 bad-json', 'a NUL'], ['[' x 100000, '400 bad-json', 'very deep arrays'],
    ['{"a":' x 50000, '400 bad-json', 'very deep objects'], ["{\"model\":\"a\xc0\x80b\"}", '400 bad-json', 'a long NUL'],
    ['{"model":"' . 'f' x 64 . '","model":"' . 'e' x 64 . '"}', '422 bad-field model', 'a field twice'],
    ['{"model":1e400}', '422 bad-field model', 'a number beyond all bounds'];
my ($problem) = $api->post('/campaigns', '{"model": "abc", }');
like $problem->{detail}, qr/at byte 1\d of the body/, "a syntax error has a place: $problem->{detail}";
is $api->fails(POST => '/campaigns', '{"name":"' . 'x' x (1 << 20) . '"}'), '413 too-large', 'a JSON body over its limit';
is $api->fails(POST => '/agent/lease', ' ' x (65 << 10)), '413 too-large', 'limits are per route';
is $api->fails(GET => '/models', 'body'), '413 too-large', 'a body where none belongs';
is $api->fails(POST => '/models', 'x' x ((32 << 20) + 1)), '413 too-large', 'a model of 32 MB and a byte';
my $chunk = sprintf("%x\r\n", 1 << 20) . 'x' x (1 << 20) . "\r\n";
my $got   = $api->raw("POST /api/v1/campaigns HTTP/1.1\r\n$host\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        . $chunk x 3 . "0\r\n\r\n");
like $got, qr{^HTTP/1\.1 413 .*"too-large"}s, 'a chunked body cannot hide its size';
$got = $api->raw("POST /api/v1/models HTTP/1.1\r\n$host\r\nContent-Length: 99999999999\r\nExpect: 100-continue\r\n\r\n", 3);
like $got, qr{^HTTP/1\.1 413}, 'who asks before sending is told before sending';
$got = $api->raw("GET /api/v1/models HTTP/1.1\r\n$host\r\nX-Long: " . 'x' x 200000 . "\r\n\r\n", 3);
unlike $got, qr{^HTTP/1\.1 200}, 'headers of 200 kB are refused';
$api->raw($_, 1) for "GARBAGE\r\n\r\n", "\0\0\0\0", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n",
    "POST /api/v1/models HTTP/1.1\r\n$host\r\nContent-Length: -5\r\n\r\n",
    "POST /api/v1/models HTTP/1.1\r\n$host\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
is $api->get('!/healthz')->{status}, 'ok', 'the server lives';
is $api->stop, 0, 'and ends well';

# Addresses
my ($status, $said) = $api->refused("$Api::BIN/farm-server", '--listen', '0.0.0.0:0', '--data', "$api->{dir}/data2",
    '--boards', "$api->{dir}/boards");
is $status, 1, 'another address than loopback needs tokens';
like $said, qr/without --tokens the server listens on loopback only/, 'and says so';
($status, $said) = $api->refused("$Api::BIN/farm-server", @$_, '--boards', "$api->{dir}/boards")
    and is $status, 1, "@$_ is refused"
    for ['--listen', '0.0.0.0'], ['--listen', 'example.org:80', '--data', 'x'], ['--listen', '127.0.0.1:99999'], ['--data'],
    ['--colour', 'red'], [];

# Tokens
my %token = map { $_ => "token-of-$_-" . 'x' x 20 } qw(read submit agent admin);
my $file  = "$api->{dir}/tokens";
Api::write_file($file, join '', "# who may what\n\n", map { "$_ " . sha256_hex($token{$_}) . " the-$_\n" } sort keys %token);
$api = Api->new(options => ['--tokens', $file]);
ok $api->start, 'a server with tokens';
sub as { my ($role) = @_; return $role ? (Authorization => "Bearer $token{$role}") : () }
is((($api->get('!/healthz'))[1]), 200, 'health needs no token');
is((($api->get('/openapi.json'))[1]), 200, 'nor does the description');
is $api->fails(GET => '/models'), '401 unauthorized', 'all else does';
my (undef, undef, $ah) = $api->get('/models');
like $ah->{'www-authenticate'}, qr/^Bearer/, 'and says which kind';
is $api->fails(GET => '/models', undef, Authorization => $_), '401 unauthorized', "not $_"
    for 'Bearer wrong', 'Bearer ', 'Basic eDp5', "Bearer " . sha256_hex($token{admin}), "Bearer $token{admin} ";
my %may = (    # what each role may; the requests are wrong in themselves, so that a role that may gets another error
    read   => { 'GET /models' => 1, 'POST /models' => 0, 'POST /agent/lease' => 0, 'DELETE /campaigns/9' => 0 },
    submit => { 'GET /models' => 1, 'POST /models' => 1, 'POST /agent/lease' => 0, 'DELETE /campaigns/9' => 1 },
    agent  => { 'GET /models' => 1, 'POST /models' => 0, 'POST /agent/lease' => 1, 'DELETE /campaigns/9' => 0 },
    admin  => { 'GET /models' => 1, 'POST /models' => 1, 'POST /agent/lease' => 1, 'DELETE /campaigns/9' => 1 },
);
for my $role (sort keys %may) {
    for my $what (sort keys %{ $may{$role} }) {
        my ($method, $path) = split / /, $what;
        my (undef, $st) = $api->call($method, $path, $method eq 'POST' ? '' : undef, as($role));
        is $st == 403 ? 0 : 1, $may{$role}{$what}, "$role: $what " . ($may{$role}{$what} ? 'allowed' : 'forbidden');
    }
}
is $api->fails(GET => '!/metrics'), '401 unauthorized', 'metrics need a token';
my $db = Api::read_file("$api->{dir}/data/farm.db") . Api::read_file("$api->{dir}/data/farm.db-wal") . $api->log;
ok !(grep { index($db, $_) >= 0 } values %token), 'no token is stored or logged';
$api->stop;
for my $bad ("boss " . 'a' x 64 . "\n", "read abc\n", "# none\n") {
    Api::write_file($file, $bad);
    ($status, $said) = $api->refused($api->command);
    is $status, 1, 'a wrong file of tokens is refused';
    like $said, qr/\Q$file\E/, 'by name';
}

# Too many, too slow
$api = Api->new(options => ['--rate', '20', '--per-ip', '8']);
ok $api->start, 'a server with limits';
my %seen;
$seen{ (($api->get('/boards'))[1]) }++ for 1 .. 80;
ok $seen{429} && $seen{200} >= 40, "of 80 requests at once $seen{200} are answered, the others told to wait";
my (undef, undef, $rh) = $api->get('/boards');
sleep 1.1;
is((($api->get('/boards'))[1]), 200, 'a second later all is well');
my @open = map { IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $api->{port}) } 1 .. 20;
my $alive = 0;
for my $s (grep { $_ } @open) {
    local $SIG{PIPE} = 'IGNORE';
    print $s "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n";
    $s->flush;
}
sleep 0.5;
for my $s (grep { $_ } @open) {
    $s->blocking(0);
    $alive++ if (sysread($s, my $b, 100) // 0) > 0;
}
ok $alive >= 1 && $alive <= 8, "of 20 connections of one address $alive are served";
close $_ for grep { $_ } @open;
sleep 0.3;
my $slow  = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $api->{port});
my $start = time;
$SIG{PIPE} = 'IGNORE';
print $slow "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: ";
$slow->blocking(0);
my $closed;
while (!$closed && time - $start < 40) {
    print $slow 'x';
    $slow->flush;
    sleep 0.5;
    my $n = sysread $slow, my $b, 100;
    $closed = 1 if defined $n ? $n == 0 : !$!{EAGAIN};
}
ok $closed, sprintf 'headers that trickle in are cut off (after %.0f s)', time - $start;
is $api->get('!/healthz')->{status}, 'ok', 'the server lives';
is $api->stop, 0, 'and ends well';
unlike $api->log, qr/Sanitizer|runtime error/, 'the sanitizers found nothing';
done_testing;
