#!/usr/bin/env perl
# SPDX-License-Identifier: MIT
# The proof: simulated histories of sixty nights x six boards x five models x ten configurations, with things planted in them
# (tests/history/history.h), loaded through the API. After each night the findings of that night must be exactly what was
# planted: found, in its night, named rightly, and nothing else. Then what the page asks is timed.
#   perl tests/http/nightly_proof.t [SEED...]     default: 1 2
use strict;
use warnings;
use lib 'tests/http';
use Api;
use JSON::PP qw(decode_json);
use List::Util qw(max min);
use POSIX qw(sysconf _SC_CLK_TCK);
use Test::More;
use Time::HiRes qw(time);

my @seeds = @ARGV ? @ARGV : (1, 2);
my $TICKS = sysconf(_SC_CLK_TCK);

# CPU seconds that the server has used.
sub cpu { my ($api) = @_;
    my @f = split ' ', Api::read_file("/proc/$api->{pid}/stat") =~ s/^.*\)//sr;
    return ($f[11] + $f[12]) / $TICKS;
}

sub lines { my (@command) = @_;
    open my $f, '-|', "$Api::BIN/nightly-history", @command or die "nightly-history: $!";
    my @lines = <$f>;
    close $f or die "nightly-history @command failed";
    chomp @lines;
    return @lines;
}

# What a finding says, but for its figures.
sub key { my (%f) = @_;
    return join ' | ', map { $_ // '-' } @f{qw(kind metric reason board model configuration night)};
}

# Boards that gave no number in a night, as the request says: they must be told, and in how many series.
sub absent { my ($body) = @_;
    my %n;
    for my $p (@{ decode_json($body)->{points} }) {
        $n{"missing $p->{board}"}++ if $p->{state} eq 'not-run';
        $n{"infrastructure $p->{board}"}++ if ($p->{class} // '') eq 'infrastructure';
    }
    return \%n;
}

sub expected { my ($seed) = @_;
    my (%key, %plant);
    for (lines($seed, 'expected')) {
        my %f;
        (@f{qw(plant kind metric reason board model configuration night firmware_changed)}) = split /\t/;
        next if $f{metric} eq 'none'; # see absent()
        $key{ key(%f) } = \%f;
        push @{ $plant{ $f{plant} } }, key(%f);
    }
    return (\%key, \%plant);
}

sub night_of { return $_[0] =~ s/\.\d+Z/Z/r }

# One night's findings against the planted ones; marks what is found. Gives what nobody planted.
sub judge { my ($api, $run, $absent, $expected, $found) = @_;
    my (@alarms, %moved, %cause, %away);
    for my $f (@{ $api->get("/runs/$run->{id}/findings")->{items} }) {
        next if $f->{state} eq 'unconfirmed';
        if ($f->{kind} =~ /^front-/) { # follows from others of the same model and board
            $moved{"$f->{board} $f->{model_name}"} = $f;
            $found->{"$f->{kind} $f->{board} $f->{model_name} " . night_of($f->{first_slot})}++;
            next;
        }
        if ($f->{metric} eq 'none') {
            $away{"$f->{kind} $f->{board}"} += $f->{count};
            next;
        }
        my $key = key(%$f, model => $f->{model_name}, night => night_of($f->{first_slot}));
        my $want = $expected->{$key};
        $cause{"$f->{board} $f->{model_name}"} = 1 if $f->{model_name} && $f->{regression};
        my $right = $want && $f->{state} eq 'confirmed' && (!$f->{series} || $want->{firmware_changed} == !!$f->{firmware_changed});
        $found->{$key}++ if $right;
        push @alarms, "$f->{state} $key firmware_changed " . ($f->{firmware_changed} ? 1 : 0) unless $right;
    }
    for (keys %{ { %away, %$absent } }) {
        my ($got, $want) = ($away{$_} // 0, $absent->{$_} // 0);
        push @alarms, "$_: $got series, planted $want" if $got != $want;
    }
    push @alarms, map { "$moved{$_}{kind} $_ without a cause" } grep { !$cause{$_} } keys %moved;
    return @alarms;
}

# CPU milliseconds and bytes of a request, the mean of many.
sub query { my ($api, $what, $path) = @_;
    my ($n, $bytes, $begin) = (20, 0, cpu($api));
    for (1 .. $n) {
        my $http = HTTP::Tiny->new(timeout => 60)->get("$api->{url}/api/v1$path");
        die "$path: $http->{status}\n" unless $http->{success};
        $bytes = length $http->{content};
    }
    my $ms = (cpu($api) - $begin) * 1000 / $n;
    ok $ms < 200, sprintf '%s: %.1f ms of CPU, %d bytes', $what, $ms, $bytes;
}

for my $seed (@seeds) {
    my $api = Api->new;
    $api->{options} = [$api->plans];
    $api->set_clock(1_790_000_000);    # after the last night
    $api->plan('history', boards => [$Api::BOARD]);
    $api->start or BAIL_OUT('no server');
    my ($expected, $plant) = expected($seed);
    my @nights = lines($seed);
    my ($points, %found, @alarms, @runs) = (0);
    my ($begin, $import_s) = (time, 0);
    for my $body (@nights) {
        my $before = cpu($api);
        my ($run, $status) = $api->post('/plans/history/import', $body, 'Content-Type' => 'application/json');
        $import_s += cpu($api) - $before;
        BAIL_OUT("import: $status " . ($run->{detail} // '')) if $status != 201;
        $points += $run->{points}{all};
        push @alarms, map { "night " . @runs . ": $_" } judge($api, $run, absent($body), $expected, \%found);
        push @runs, $run;
    }
    is $points, 18000, "seed $seed: sixty nights, 18,000 points";
    for my $what (sort keys %$plant) {
        my @missed = grep { !$found{$_} } @{ $plant->{$what} };
        ok !@missed, "seed $seed: $what: " . (@{ $plant->{$what} } - @missed) . ' of ' . @{ $plant->{$what} };
        diag "not found: $_" for @missed[0 .. min(4, $#missed)];
    }
    my %slower = map { ("front-moved $_->{board} $_->{model} $_->{night}" => 1) } grep { $_->{kind} eq 'slower' } values %$expected;
    my @still = grep { !$found{$_} } sort keys %slower;
    ok !@still, "seed $seed: the fronts of the slower models moved" or diag map { "not told: $_\n" } @still;
    is scalar(@alarms), 0, "seed $seed: no false alarm in sixty nights";
    diag $_ for @alarms[0 .. min(9, $#alarms)];
    ok $import_s < 60, sprintf 'seed %d: loading and judging took %.1f s of CPU: %.2f ms a point', $seed, $import_s,
        $import_s * 1000 / $points;
    next if $seed != $seeds[0];

    my $run     = $runs[-1];
    my $series  = $api->get('/series?plan=history&limit=1')->{items}[0];
    my $compare = "/runs/$runs[-2]{id}/compare/$run->{id}";
    query($api, 'runs of the plan',         '/plans/history/runs?limit=60');
    query($api, 'a run with its grid',      "/runs/$run->{id}");
    query($api, 'its points',               "/runs/$run->{id}/points?limit=200");
    query($api, 'the triage list',          '/findings?plan=history&state=open&limit=200');
    query($api, 'a series of sixty nights', "/series/$series->{id}");
    query($api, 'two nights compared',      $compare);
    $api->stop;
}
done_testing;
