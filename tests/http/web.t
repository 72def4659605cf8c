#!/usr/bin/env perl
# SPDX-License-Identifier: MIT
# The page's files, the description of the API, health and metrics.
use strict;
use warnings;
use lib 'tests/http';
use Api;
use File::Path qw(make_path);
use JSON::PP ();
use Test::More;

my $api = Api->new;
my $web = "$api->{dir}/web";
make_path("$web/assets", "$web/.hidden");
Api::write_file("$web/index.html", '<!doctype html><title>farm</title>');
Api::write_file("$web/assets/app-1a2b.js", 'export {}');
Api::write_file("$web/.hidden/x.txt", 'secret');
Api::write_file("$api->{dir}/outside.txt", 'secret');
ok $api->start('--web', $web), 'the server starts' or BAIL_OUT('no server');

my ($body, $status, $h) = $api->get('!/');
is_deeply [$status, $h->{'content-type'}], [200, 'text/html; charset=utf-8'], 'the page';
like $body, qr/<title>farm/, 'its text';
my $policy = $h->{'content-security-policy'};
like $policy, qr/default-src 'none'/, 'nothing is allowed but';
like $policy, qr/script-src 'self';/, 'own scripts';
unlike $policy, qr/script-src[^;]*unsafe|style-src [^;]*unsafe|unsafe-eval|\*/, 'no inline script or sheet, no eval, no star';
like $policy, qr/frame-ancestors 'none'/, 'no frames';
is((($api->get('!/', 'If-None-Match' => $h->{etag}))[1]), 304, 'unchanged');
($body, $status, $h) = $api->get('!/assets/app-1a2b.js');
is_deeply [$status, $h->{'content-type'}], [200, 'text/javascript; charset=utf-8'], 'a script';
like $h->{'cache-control'}, qr/immutable/, 'that never changes';
($body, $status) = $api->get('!/campaigns/3');
is_deeply [$status, $body =~ /farm/ ? 1 : 0], [200, 1], 'a path of the application is its page';
($body, $status) = $api->get('!/?model=x&y=z');
is $status, 200, 'with whatever query';
is $api->fails(GET => "!$_"), '404 not-found', "$_ is nothing"
    for '/assets/missing.js', '/favicon.ico', '/.hidden/x.txt', '/../outside.txt', '/assets/../../outside.txt',
    '/%2e%2e/outside.txt', '/..%2foutside.txt', '/assets/..%5c..%5coutside.txt', '//etc/passwd.txt';
($body) = $api->get('!/assets');
like $body, qr/farm/, 'a folder is not listed';
Api::write_file("$web/index.html", '<!doctype html><title>new</title>');
($body) = $api->get('!/');
like $body, qr/new/, 'a rebuilt page shows at once';

my $spec = $api->get('/openapi.json');
is $spec->{openapi}, '3.1.0', 'OpenAPI 3.1';
# Every route of the table is described, and nothing else is.
my $source = Api::read_file('server/route.c');
my %routes = map { $_ => 1 } map { my ($m, $base, $p) = @$_; lc($m) . ' ' . ($base ? '/api/v1' : '') . $p }
    map { [/"(GET|POST|DELETE)",\s+(API_BASE )?"([^"]+)"/] } grep { /^    \{"/ } split /\n/, $source;
my %described;
for my $path (keys %{ $spec->{paths} }) {
    $described{"$_ $path"} = 1 for grep { /^(get|post|delete)$/ } keys %{ $spec->{paths}{$path} };
}
is_deeply [sort keys %described], [sort keys %routes], 'describes every route, and no other';
my (@bad, @refs);
sub walk { my ($x, $at) = @_;
    if (ref $x eq 'HASH') {
        push @refs, $x->{'$ref'} if defined $x->{'$ref'} && !ref $x->{'$ref'};
        walk($x->{$_}, "$at/$_") for keys %$x;
    } elsif (ref $x eq 'ARRAY') {
        walk($_, $at) for @$x;
    }
}
walk($spec, '');
for my $ref (@refs) {
    my $at = $spec;
    $at = ref $at eq 'HASH' ? $at->{$_} : undef for split m{/}, $ref =~ s{^#/}{}r;
    push @bad, $ref unless ref $at;
}
ok @refs > 20 && !@bad, scalar(@refs) . ' references, all of them lead somewhere' or diag "@bad";

# What is answered has exactly the described members, at any depth.
my @strange;
sub compare { my ($schema, $value, $at) = @_;
    $schema = $spec->{components}{schemas}{ $schema->{'$ref'} =~ s{.*/}{}r } if $schema->{'$ref'};
    if (ref $value eq 'ARRAY' && $schema->{items}) {
        compare($schema->{items}, $value->[$_], "$at\[$_]") for 0 .. $#$value;
    } elsif (ref $value eq 'HASH' && $schema->{properties}) {
        push @strange, map { "$at.$_ is not described" } grep { !$schema->{properties}{$_} } keys %$value;
        push @strange, map { "$at.$_ is missing" } grep { !exists $value->{$_} } @{ $schema->{required} };
        compare($schema->{properties}{$_}, $value->{$_}, "$at.$_") for grep { $schema->{properties}{$_} } keys %$value;
    }
}
sub described_as { my ($name, $value, $what) = @_;
    @strange = ();
    compare({ '$ref' => $name }, $value, $name);
    ok ref $value eq 'HASH' && $spec->{components}{schemas}{$name}{properties} && !@strange, "$what is a $name"
        or diag map { "$_\n" } @strange;
}
my $model = $api->upload('tiny_mbv2');
described_as(Model => $model, 'a model');
my $c = $api->submit(model => $model->{id}, points => 2);
described_as(Campaign => $c, 'a campaign');
my $lease = $api->lease;
described_as(Lease => $lease, 'a lease');
described_as(Job => scalar $api->get("/jobs/$lease->{job}"), 'a job at work');
$api->result($lease);
my $job = $api->get("/jobs/$lease->{job}");
described_as(Job    => $job, 'a job that is done');
described_as(Result => $job->{result}, 'a result');
described_as(Board  => $_, "board $_->{id}") for @{ $api->get('/boards') };
described_as(Rig    => $_, "rig $_->{name}") for @{ $api->get('/rigs') };
my $front = $api->get("/models/$model->{id}/front");
described_as(ModelFront => $front, 'a front');
described_as(Point => $front->{points}[0], 'a point');
my $measured = $api->get("/campaigns/$c->{id}/front");
described_as(CampaignFront => $measured, 'a measured front');
my ($point) = grep { @{ $_->{measured} } } @{ $measured->{points} };
described_as(CampaignPoint => $point, 'a measured point');
described_as(Measured => $point->{measured}[0], 'a measurement');
described_as(Config => scalar $api->get("/models/$model->{id}/config?spec=" . ($point->{spec} =~ s/ /%20/gr)),
    'a configuration');
described_as(Problem => scalar $api->get('/models?limit=0'), 'a problem');
described_as(Health => scalar $api->get('!/healthz'), 'health');

my ($metrics, undef, $mh) = $api->get('!/metrics');
like $mh->{'content-type'}, qr{^text/plain; version=0\.0\.4}, 'metrics as Prometheus wants them';
my @wrong = grep { !/^# (HELP|TYPE) farm_\w+ \S|^farm_\w+(\{\w+="[^"]*"\})? -?\d+$/ } split /\n/, $metrics;
is_deeply \@wrong, [], 'every line of them';
like $metrics, qr/^farm_results 1$/m, 'one result';
is $api->stop, 0, 'SIGTERM ends it well';
unlike $api->log, qr/Sanitizer|runtime error/, 'the sanitizers found nothing';
done_testing;
