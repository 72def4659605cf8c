#!/usr/bin/env perl
# SPDX-License-Identifier: MIT
# Server-Sent Events: what a watcher of a campaign is told, and that nothing is missed over a lost connection or a restart.
use strict;
use warnings;
use lib 'tests/http';
use Api;
use JSON::PP qw(decode_json);
use Test::More;
use Time::HiRes qw(sleep time);

my $api = Api->new;
ok $api->start, 'the server starts' or BAIL_OUT('no server');
my $model = $api->upload('tiny_mbv2');
my $front = $api->get("/models/$model->{id}/front");
my $c     = $api->submit(model => $model->{id}, points => 3, repeats => 1);
my $quiet = $api->submit(model => $model->{id}, points => 1, boards => ['fast-board']);

# A stream: a socket and what came of it so far.
sub watch { my ($id, %headers) = @_;
    my $query = delete $headers{query} // '';
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $api->{port}) or die "connect: $!";
    print $s "GET /api/v1/campaigns/$id/events$query HTTP/1.1\r\nHost: localhost\r\n",
        (map { "$_: $headers{$_}\r\n" } keys %headers), "\r\n";
    $s->flush;
    return { socket => $s, bytes => '' };
}

# All events that have come within the time, or as soon as the test is content.
sub events { my ($w, $limit_s, $enough) = @_;
    my $end = time + $limit_s;
    while (time < $end) {
        my $want = '';
        vec($want, fileno $w->{socket}, 1) = 1;
        if (select $want, undef, undef, 0.05) {
            my $n = sysread $w->{socket}, $w->{bytes}, 65536, length $w->{bytes};
            $w->{closed} = 1, last unless $n;
        }
        my @e = parse($w);
        return @e if $enough && $enough->(@e);
    }
    return parse($w);
}

sub parse { my ($w) = @_;
    my ($head, $body) = split /\r\n\r\n/, $w->{bytes}, 2;
    return unless defined $body;
    $w->{head} = $head;
    my ($text, $rest) = ('', $body);    # undo the chunks
    while ($rest =~ s/\A([0-9a-fA-F]+)\r\n//) {
        my $n = hex $1;
        last if length $rest < $n;
        $text .= substr $rest, 0, $n, '';
        $rest =~ s/\A\r\n//;
    }
    return map { /^id: (\d+)\nevent: (\w+)\ndata: (.*)$/ ? { id => $1, event => $2, data => decode_json($3) } : () }
        split /\n\n/, $text;
}

my $live = watch($c->{id});
my @e    = events($live, 5, sub { @_ >= 1 });
is scalar @e, 1, 'a new stream begins with one event';
is_deeply [@{ $e[0] }{qw(event data)}], ['campaign', scalar $api->get("/campaigns/$c->{id}")], 'the campaign as it is';
like $live->{head}, qr{^HTTP/1\.1 200 .*Content-Type: text/event-stream}s, 'as an event stream';
like $live->{head}, qr{Cache-Control: no-store}, 'that is not cached';

my $lease = $api->lease;
$api->post("/agent/jobs/$lease->{job}/heartbeat",
    { lease => $lease->{lease}, phase => 'running', progress => 0.5, log => "hello\nworld\n" });
@e = events($live, 5, sub { grep { $_->{event} eq 'log' } @_ });
my ($log) = grep { $_->{event} eq 'log' } @e;
is_deeply $log->{data}, { job => $lease->{job}, text => "hello\nworld\n" }, 'a log event';
my ($phase) = grep { $_->{event} eq 'job' && ($_->{data}{phase} // '') eq 'running' } @e;
is $phase->{data}{progress}, 0.5, 'a job event with the progress';
$api->result($lease);
@e = events($live, 5, sub { grep { $_->{event} eq 'job' && $_->{data}{state} eq 'done' } @_ });
my ($done) = grep { $_->{event} eq 'job' && $_->{data}{state} eq 'done' } @e;
is_deeply $done->{data}, scalar $api->get("/jobs/$lease->{job}"), 'a job event is the job with its result';
my @ids = map { $_->{id} } @e;
is_deeply \@ids, [sort { $a <=> $b } @ids], 'ids rise';

# Another campaign's watcher hears nothing of this
my $other = watch($quiet->{id});
is scalar(events($other, 0.5)), 1, 'a watcher of a quiet campaign gets its campaign';
$api->measure_all;
is scalar(events($other, 0.5)), 1, 'and nothing of another one';
@e = events($live, 5, sub { grep { $_->{event} eq 'campaign' && $_->{data}{state} eq 'done' } @_ });
ok +(grep { $_->{event} eq 'campaign' && $_->{data}{state} eq 'done' } @e), 'the end of the campaign is told';

# Coming back
my $last = (events($live, 0.2))[-1]{id};
close $live->{socket};
my $more = $api->submit(model => $model->{id}, points => 1, repeats => 1);
my $back = watch($c->{id}, 'Last-Event-ID' => $last);
is scalar(events($back, 0.5)), 0, 'nothing was missed: nothing is sent';
close $back->{socket};
my $all = watch($c->{id}, query => '?since=0');
@e = events($all, 2, sub { @_ >= 5 });
is scalar(grep { $_->{event} eq 'job' } @e), 3, 'since 0: each job once';
is scalar(grep { $_->{event} eq 'job' && $_->{data}{state} eq 'done' } @e), 3, '... in its present state';
is scalar(grep { $_->{event} eq 'log' } @e), 1, '... the log';
is scalar(grep { $_->{event} eq 'campaign' } @e), 1, '... and the campaign';
my $middle = watch($c->{id}, 'Last-Event-ID' => $e[-2]{id}, query => '?since=0');
is_deeply [map { $_->{id} } events($middle, 2, sub { @_ >= 1 })], [$e[-1]{id}],
    'Last-Event-ID counts more than since, and only what is newer is sent';

# Over a restart of the server
my $w = watch($more->{id}, query => '?since=0');
@e = events($w, 2, sub { @_ >= 2 });
$last = $e[-1]{id};
$api->stop('KILL');
ok $api->start, 'kill -9 and restart';
my $l = $api->lease;
$w = watch($more->{id}, 'Last-Event-ID' => $last);
$api->result($l);
@e = events($w, 5, sub { grep { $_->{event} eq 'campaign' && $_->{data}{state} eq 'done' } @_ });
ok @e && $e[0]{id} > $last, 'ids go on rising';
ok +(grep { $_->{event} eq 'job' && $_->{data}{state} eq 'done' } @e), 'what happened since is sent';

# An id that this server never gave out, from before its data was replaced, say
for my $future (watch($more->{id}, 'Last-Event-ID' => $last + 99999), watch($more->{id}, query => '?since=' . ($last + 99999))) {
    my @state = events($future, 5, sub { grep { $_->{event} eq 'campaign' } @_ });
    ok +(grep { $_->{event} eq 'campaign' } @state), 'an id from the future gets the present state';
}

is $api->fails(GET => "/campaigns/$c->{id}/events?since=x"), '422 bad-field since', 'since what?';
my $open = watch($quiet->{id});
events($open, 1, sub { @_ >= 1 });
my $start = time;
is $api->stop, 0, 'SIGTERM ends it well';
ok time - $start < 3, 'although somebody is watching';
events($open, 2);
ok $open->{closed}, 'whose stream ends';
unlike $api->log, qr/Sanitizer|runtime error/, 'the sanitizers found nothing';
done_testing;
