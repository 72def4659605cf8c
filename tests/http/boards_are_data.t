#!/usr/bin/env perl
# SPDX-License-Identifier: MIT
# A board is a folder: outside it no code knows its name. And a folder of another name is another board, for server and
# virtual board alike, without a change anywhere.
use strict;
use warnings;
use lib 'tests/e2e';
use Farm;
use File::Path qw(make_path);
use Test::More;

sub slurp { my ($file) = @_; open my $f, '<', $file or die "$file: $!"; local $/; return <$f> // '' }

# Sources without comments: what a compiler, make or a shell sees.
sub code { my ($file) = @_;
    my $text = slurp($file);
    if ($file =~ /\.(c|h|ts|ld|S)$/) {
        $text =~ s{("(?:[^"\\\n]|\\.)*")|/\*.*?\*/|//[^\n]*}{$1 // ' '}gse;
    } elsif ($file =~ /\.(sql|def)$/) {
        $text =~ s/--[^\n]*//g;
    } else {
        $text =~ s/(^|\s)#[^\n]*/$1/g;
    }
    return $text;
}
my @folders = glob 'firmware/boards/*/board.json';
my @ids     = map { m{([^/]+)/board\.json$} } @folders;
cmp_ok scalar @ids, '>=', 7, 'boards: ' . join ' ', @ids;
my @files = grep { -f && !m{^(firmware/boards/[^/]+|tests)/} }
    map { glob $_ } qw(Makefile */module.mk */*/module.mk tools/* common/*.[ch] server/*.[ch] server/*/*.[ch] server/*.def agent/*.[ch]
    agent/vboard/*.[ch] cli/*.[ch] models/*.[ch] firmware/*.[ch] firmware/*.sh firmware/*/*.[ch] firmware/*/*.ld firmware/soc/*/*
    firmware/boards/*.tcl web/src/*.ts web/src/pages/*.ts schema.sql);
cmp_ok scalar @files, '>', 200, scalar(@files) . ' files of code';
my %code = map { $_ => code($_) } @files;
for my $id (@ids) {
    is_deeply [grep { $code{$_} =~ /(?<![\w-])\Q$id\E(?![\w-])/ } sort keys %code], [], "$id is named in its folder alone";
}

# The seventh board under an eighth name: three files.
my $farm = Farm->new;
my ($old, $new) = ('nucleo-f446re', 'my-own-board');
make_path("$farm->{dir}/boards/$new");
for my $file (glob "firmware/boards/$old/*") {
    my ($name) = $file =~ m{([^/]+)$};
    (my $text = slurp($file)) =~ s/"id": "\Q$old\E"/"id": "$new"/;
    open my $f, '>', "$farm->{dir}/boards/$new/$name" or die "$name: $!";
    print $f $text;
    close $f;
}
is scalar(() = glob "$farm->{dir}/boards/$new/*"), 3, "$new: a folder of three files";
$farm->start_process('server', "$Farm::BIN/farm-server", '--listen', '127.0.0.1:0', '--data', "$farm->{dir}/data",
    '--boards', "$farm->{dir}/boards");
$farm->{url} = $farm->wait_until('farm-server', 20, sub { $farm->log_of('server', 'out') =~ /"url"\s*:\s*"([^"]+)"/ ? $1 : undef });
is_deeply [map { $_->{id} } @{ $farm->get('/boards') // [] }], [$new], 'the server has it';
$farm->start_process('vboard', "$Farm::BIN/farm-vboard", '--board', $new, '--boards', "$farm->{dir}/boards");
my $said = $farm->wait_until('farm-vboard', 20, sub { $farm->log_of('vboard', 'out') =~ /^(\{.*\})$/m ? $1 : undef });
like $said // '', qr/"board":"$new"/, 'and it becomes virtual';
$farm->stop($_) for qw(vboard server);
done_testing;
