# SPDX-License-Identifier: MIT
# The end of a test takes with it every process that the test started, and what those started: after the last line, after
# die, and after SIGTERM (the time limit of tests/run), SIGINT or SIGHUP. They are known by a mark in their environment,
# which nothing can hide from. Only SIGKILL of the test itself leaves them behind.
package Ending;
use strict;
use warnings;
use File::Temp ();    # before END below: END blocks run in reverse, folders go when nothing writes into them any more

my $owner = $$;
my %number = (HUP => 1, INT => 2, TERM => 15);
$ENV{FARM_TEST} = $$;
for my $name (keys %number) {
    $SIG{$name} = sub {
        exit 128 + $number{$name} if $$ == $owner;
        $SIG{$name} = 'DEFAULT';    # a child that runs no program of its own
        kill $name, $$;
    };
}

# Pids of all others that are alive with NAME=VALUE in their environment.
sub marked { my ($mark) = @_;
    my @found;
    for my $environ (glob '/proc/[0-9]*/environ') {
        my ($pid) = $environ =~ m{/(\d+)/};
        next if $pid == $$;
        local $/;
        open my $f, '<', $environ or next;
        my $text = <$f> // '';
        push @found, $pid if index("\0$text\0", "\0$mark\0") >= 0 && defined readlink "/proc/$pid/exe";
    }
    return @found;
}

END {
    if ($$ == $owner) {
        local ($?, $!);
        for (1 .. 50) {    # one that is found may have started another meanwhile
            my @left = marked("FARM_TEST=$owner") or last;
            kill 'KILL', @left;
            select undef, undef, undef, 0.02;
        }
    }
}

1;
