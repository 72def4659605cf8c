# SPDX-License-Identifier: MIT
# A farm for a test: real server, agents and virtual boards in a folder of their own, with everything a test does to
# them: call, kill, restart, wait. Whatever is left of it is killed at the end, however the test ends (Ending.pm).
package Farm;
use strict;
use warnings;
use lib 'tests/lib';
use Carp qw(croak);
use Ending;
use File::Temp qw(tempdir);
use HTTP::Tiny;
use IO::Socket::INET;
use JSON::PP ();
use POSIX ();
use Time::HiRes qw(sleep time);

our $BIN      = $ENV{FARM_BIN}      // 'build/host/bin';
our $FIRMWARE = $ENV{FARM_FIRMWARE} // 'build/firmware';
our $MODELS   = ($ENV{FARM_BUILD} // 'build') . '/models';
our $WEB      = ($ENV{FARM_BUILD} // 'build') . '/web';
our $BOARD    = 'nucleo-f767zi';

my $json = JSON::PP->new->utf8->canonical->allow_nonref;
my %alive;    # pid => name, of the processes that this test started

sub new { my ($class, %o) = @_;
    my $self = bless { dir => tempdir('farm-e2e-XXXXXX', TMPDIR => 1, CLEANUP => 1), %o }, $class;
    # Children and grandchildren inherit the mark: nothing can hide from processes().
    $self->{mark} = 'FARM_E2E_MARK=' . $self->{dir};
    return $self;
}

# Folder of the optional test models, or undef.
sub shared_models {
    my $dir = $ENV{FARM_MODELS} // '../shared/models';
    return -e "$dir/MANIFEST.json" ? $dir : undef;
}

sub start_process { my ($self, $name, @command) = @_;
    unlink "$self->{dir}/$name.out";    # what an earlier one said is not what this one says
    defined(my $pid = fork) or croak "fork: $!";
    if ($pid == 0) {
        POSIX::setpgid(0, 0);
        $ENV{FARM_E2E_MARK} = $self->{dir};
        open STDIN, '<', '/dev/null';
        open STDOUT, '>', "$self->{dir}/$name.out" or POSIX::_exit(126);
        open STDERR, '>>', "$self->{dir}/$name.log" or POSIX::_exit(126);
        exec { $command[0] } @command or POSIX::_exit(127);
    }
    $alive{$pid} = $name;
    $self->{pid}{$name} = $pid;
    return $pid;
}

# What a program said: its log (stderr) or, with 'out', its stdout.
sub log_of { my ($self, $name, $kind) = @_;
    open my $f, '<', "$self->{dir}/$name." . ($kind // 'log') or return '';
    local $/;
    return <$f> // '';
}

sub wait_until { my ($self, $what, $limit_s, $test) = @_;
    my $end = time + $limit_s;
    while (time < $end) {
        my $got = $test->();
        return $got if $got;
        sleep 0.1;
    }
    return $self->trouble("$what: not within $limit_s s");
}

# Shows the logs as TAP comments. Returns nothing.
sub trouble { my ($self, $message) = @_;
    print "# $message\n";
    for my $name (sort keys %{ $self->{pid} }) {
        my @lines = split /\n/, $self->log_of($name);
        splice @lines, 0, @lines - 12 if @lines > 12;
        print "# $name: $_\n" for @lines;
    }
    return;
}

# Starts the server on the farm's data; the port stays the same over restarts. True when it got ready.
sub start_server { my ($self) = @_;
    my $port = $self->{port} // 0;
    $self->start_process('server', "$BIN/farm-server", '--listen', "127.0.0.1:$port", '--data', "$self->{dir}/data",
        '--boards', 'firmware/boards', '--web', $WEB, @{ $self->{server_options} // [] });
    my $url = $self->wait_until('farm-server ready', 20, sub {
        return 'dead' unless $self->is_alive('server');
        return $self->log_of('server', 'out') =~ /"url"\s*:\s*"([^"]+)"/ ? $1 : undef;
    });
    return $self->trouble('farm-server died') if !$url || $url eq 'dead';
    $self->{url} = $url;
    ($self->{port}) = $url =~ /:(\d+)$/;
    return 1;
}

# Starts an agent: name, then virtual => 'board:n', or several, or rigs => file, options => [..]. True when its first rig is idle
# or busy; with no_wait at once.
sub start_agent { my ($self, $name, %o) = @_;
    $self->start_process($name, "$BIN/farm-agent", '--server', $self->{url}, '--firmware', $FIRMWARE,
        '--boards', 'firmware/boards', '--name', $name,
        (map { ('--virtual', $_) } ref $o{virtual} ? @{ $o{virtual} } : $o{virtual} // ()), $o{rigs} ? ('--rigs', $o{rigs}) : (), @{ $o{options} // [] });
    return 1 if $o{no_wait};
    return $self->wait_until("a rig of $name", 40, sub { $self->is_alive($name) && $self->live_rigs($name) });
}

sub live_rigs { my ($self, $agent) = @_;
    my $rigs = $self->get('/rigs');
    return grep { $_->{agent} eq $agent && $_->{state} =~ /^(idle|busy)$/ } items($rigs);
}

# Starts a virtual board by itself (so that it can have a fault); gives what it says when ready, or nothing.
sub start_vboard { my ($self, $name, @options) = @_;
    $self->start_process($name, "$BIN/farm-vboard", '--board', $BOARD, '--boards', 'firmware/boards',
        '--serial', uc $name, '--stlink-port', '0', '--tty-link', "$self->{dir}/$name.tty", @options);
    my $said = $self->wait_until("$name ready", 20, sub { $self->log_of($name, 'out') =~ /^(\{.*\})$/m ? $1 : undef });
    return $said ? $json->decode($said) : undef;
}

# A rig file for virtual boards: name => what start_vboard(name) gave; its board may be another one than it says. Gives
# the file's path.
sub write_rigs { my ($self, %vboards) = @_;
    my @rigs = map { my $said = $vboards{$_}; {
        name => $_, board => $said->{board}, serial => uc $_, tty => "$self->{dir}/$_.tty",
        $said->{jtag_tty} ? (jtag_tty => $said->{jtag_tty}) : (stlink_port => $said->{stlink_port} + 0),
    } } sort keys %vboards;
    my $path = "$self->{dir}/rigs.json";
    open my $f, '>', $path or croak "$path: $!";
    print $f $json->encode({ rigs => \@rigs });
    close $f;
    return $path;
}

sub is_alive { my ($self, $name) = @_;
    my $pid = $self->{pid}{$name} or return 0;
    return 0 unless $alive{$pid};
    if (waitpid($pid, POSIX::WNOHANG()) == $pid) {
        $self->{status}{$name} = $?;
        delete $alive{$pid};
        return 0;
    }
    return 1;
}

# Sends a signal to a program and waits for its end. Gives its wait status, or undef when it would not end.
sub stop { my ($self, $name, $signal, $limit_s) = @_;
    my $pid = $self->{pid}{$name} or return undef;
    kill $signal // 'TERM', $pid;
    my $end = time + ($limit_s // 20);
    while ($self->is_alive($name)) {
        return undef if time > $end;
        sleep 0.05;
    }
    return $self->{status}{$name};
}

# Pids of everything alive that descends from this farm and whose program has the given name (any without one).
sub processes { my ($self, $program) = @_;
    return grep { !defined $program || (readlink("/proc/$_/exe") // '') =~ m{/\Q$program\E$} } Ending::marked($self->{mark});
}

# TCP ports that this machine listens on: inode of the socket => port.
sub listening_ports {
    my %port;
    for my $file (qw(/proc/net/tcp /proc/net/tcp6)) {
        open my $f, '<', $file or next;
        while (<$f>) {
            my @word = split;
            $port{ $word[9] } = hex((split /:/, $word[1])[1]) if $word[3] eq '0A';
        }
    }
    return %port;
}

# What the farm's processes hold of the machine: {processes, ports, terminals}; a terminal is "/dev/pts/N time", where
# the time tells it from a later one of that number.
sub holdings { my ($self) = @_;
    my %port = listening_ports();
    my (%ports, %terminals);
    my @pids = $self->processes;
    for my $pid (@pids) {
        for my $fd (glob "/proc/$pid/fd/*") {
            my $what = readlink($fd) // next;
            $ports{ $port{$1} } = 1 if $what =~ /^socket:\[(\d+)\]$/ && $port{$1};
            $terminals{"$what " . (stat $what)[10]} = 1 if $what =~ m{^/dev/pts/\d+$} && -e $what;
        }
    }
    return { processes => [@pids], ports => [sort keys %ports], terminals => [sort keys %terminals] };
}

# Of what was held, what is still there: processes, ports that listen, terminals.
sub left_of { my ($held) = @_;
    my %listens = map { $_ => 1 } values %{ { listening_ports() } };
    return (grep { -e "/proc/$_/exe" && readlink "/proc/$_/exe" } @{ $held->{processes} }),
        (map { "port $_" } grep { $listens{$_} } @{ $held->{ports} }),
        grep { my ($path, $time) = split; -e $path && ((stat $path)[10] // 0) == $time } @{ $held->{terminals} };
}

sub port_answers { my ($self) = @_;
    return defined IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $self->{port}, Timeout => 2);
}

# A call of the API: gives the decoded reply (undef without one) and, in list context, the status.
sub call { my ($self, $method, $path, $body, %headers) = @_;
    my %options = (headers => \%headers);
    if (ref $body) {
        $options{content} = $json->encode($body);
        $headers{'Content-Type'} //= 'application/json';
    } elsif (defined $body) {
        $options{content} = $body;
        $headers{'Content-Type'} //= 'application/octet-stream';
    }
    my $r = HTTP::Tiny->new(timeout => 60)->request($method, "$self->{url}/api/v1$path", \%options);
    my $decoded = eval { $json->decode($r->{content}) };
    return wantarray ? ($decoded, $r->{status}, $r) : $decoded;
}

sub get { my ($self, $path) = @_;
    my ($decoded, $status) = $self->call('GET', $path);
    return $status == 200 ? $decoded : undef;
}

sub items { my ($list) = @_;
    return @{ ref $list eq 'HASH' ? $list->{items} // [] : $list // [] };
}

# All pages of a list.
sub list { my ($self, $path) = @_;
    my (@all, $cursor);
    do {
        my $page = $self->get($path . (defined $cursor ? "?cursor=$cursor" : ''));
        push @all, items($page);
        $cursor = ref $page eq 'HASH' ? $page->{next} : undef;
    } while defined $cursor;
    return @all;
}

sub upload { my ($self, $file, $name) = @_;
    open my $f, '<:raw', $file or croak "$file: $!";
    local $/;
    my ($model, $status) = $self->call('POST', "/models?name=$name", scalar <$f>);
    return $model if $status == 200 || $status == 201;
    print "# upload of $name: $status ", $model ? "$model->{title}: $model->{detail}" : '', "\n";
    return;
}

sub submit { my ($self, %campaign) = @_;
    my ($c, $status) = $self->call('POST', '/campaigns', { boards => [$BOARD], %campaign });
    return $c if $status == 201;
    print "# campaign refused: $status ", $c ? "$c->{title}: $c->{detail}" : '', "\n";
    return;
}

# The campaign once nothing of it is queued or leased; undef when that takes too long.
sub wait_done { my ($self, $id, $limit_s) = @_;
    return $self->wait_until("campaign $id done", $limit_s, sub {
        my $c = $self->get("/campaigns/$id");
        return $c && $c->{state} ne 'running' ? $c : undef;
    });
}

# Runs the command line client; gives its text and exit status.
sub farm { my ($self, @words) = @_;
    defined(my $pid = open my $f, '-|') or croak "fork: $!";
    if ($pid == 0) {
        open STDERR, '>&', \*STDOUT;
        $ENV{FARM_SERVER} = $self->{url};
        exec { "$BIN/farm" } "$BIN/farm", @words or POSIX::_exit(127);
    }
    local $/;
    my $text = <$f> // '';
    close $f;
    return wantarray ? ($text, $? >> 8) : $text;
}

1;
