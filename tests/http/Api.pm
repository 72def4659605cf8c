# SPDX-License-Identifier: MIT
# A real farm-server for a test: on a free port, with a data folder and boards of its own, and a fake agent that reports
# whatever the test wants it to have measured.
package Api;
use strict;
use warnings;
use lib 'tests/lib';
use Ending;
use File::Path qw(make_path);
use File::Temp qw(tempdir);
use HTTP::Tiny;
use IO::Socket::INET;
use JSON::PP ();
use POSIX ();
use Time::HiRes qw(sleep time);

our $BIN   = $ENV{FARM_BIN} // 'build/host/bin';
our $BOARD = 'test-board';
my $json = JSON::PP->new->utf8->canonical;

sub new { my ($class, %o) = @_;
    my $dir = tempdir('farm-http-XXXXXX', TMPDIR => 1, CLEANUP => 1);
    my $self = bless { dir => $dir, options => $o{options} // [] }, $class;
    $self->board($BOARD);
    # Too small for anything but the least, and too small for any program.
    $self->board('small-ram',   arena_max_bytes => 6000);
    $self->board('no-ram',      arena_max_bytes => 100);
    $self->board('small-flash', program_max_bytes => 2000);
    $self->board('fast-board',
        latency => { (map { $_ => { product => 1.5, output => 3, position => 100, call => 20 } }
                qw(plain_conv plain_dwconv sum add pool fed_pool softmax other)),
            interpreter => { kernel => 10, step => 5 }, median_error => 0.02, worst_error => 0.1, tested => 7 });
    return $self;
}

sub board { my ($self, $id, %change) = @_;
    make_path("$self->{dir}/boards/$id");
    write_file("$self->{dir}/boards/$id/board.json", $json->encode({
        id => $id, name => "Board $id", core => 'Cortex-M7', soc => 'TEST', ram_bytes => 524288, flash_bytes => 2097152,
        clock_hz => 200000000, baud => 115200, program_address => '0x08040000', program_max_bytes => 1835008,
        arena_max_bytes => 500000, kernels => 'generic', latency => {}, %change }));
}

# A plan's file; what is given replaces the fields of a small valid one. The server needs --plans, see plans().
sub plan { my ($self, $name, %change) = @_;
    my %plan = (title => "Plan $name", models => [{ network => 'tiny_mbv2' }], boards => [$BOARD],
        configurations => [{ strategy => 'vanilla' }, { strategy => 'pareto', points => 2 }], repeats => 2, %change);
    delete $plan{$_} for grep { !defined $plan{$_} } keys %plan;
    make_path("$self->{dir}/plans");
    write_file("$self->{dir}/plans/.new", $json->encode(\%plan));
    rename "$self->{dir}/plans/.new", "$self->{dir}/plans/$name.json" or die "plan $name: $!";
}

# Options of a server with plans that go by the time in a file, which set_clock() writes.
sub plans { my ($self) = @_;
    make_path("$self->{dir}/plans");
    return ('--plans', "$self->{dir}/plans", '--clock', "$self->{dir}/clock");
}

sub set_clock { my ($self, $seconds) = @_;
    write_file("$self->{dir}/clock.new", sprintf "%d\n", $seconds * 1000);
    rename "$self->{dir}/clock.new", "$self->{dir}/clock" or die "clock: $!";
}

sub write_file { my ($path, $bytes) = @_;
    open my $f, '>:raw', $path or die "$path: $!";
    print $f $bytes;
    close $f or die "$path: $!";
}

# One of the seeded test networks, as bytes.
my %networks;
sub network { my ($name, $seed) = @_;
    $seed //= 1;
    return $networks{"$name $seed"} //= do {
        open my $f, '-|:raw', "$BIN/farm-models", $name, '-o', '-', '--seed', $seed or die "farm-models: $!";
        local $/;
        my $bytes = <$f>;
        close $f or die "farm-models $name failed";
        $bytes;
    };
}

sub command { my ($self, @more) = @_;
    return ("$BIN/farm-server", '--listen', '127.0.0.1:' . ($self->{port} // 0), '--data', "$self->{dir}/data", '--boards',
        "$self->{dir}/boards", @{ $self->{options} }, @more);
}

# Starts the server; after a restart it has the same port. True when it is ready.
sub start { my ($self, @more) = @_;
    unlink "$self->{dir}/out";
    defined(my $pid = fork) or die "fork: $!";
    if ($pid == 0) {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>', "$self->{dir}/out" or POSIX::_exit(126);
        open STDERR, '>>', "$self->{dir}/log" or POSIX::_exit(126);
        my @command = (@{ $self->{wrapper} // [] }, $self->command(@more));
        exec { $command[0] } @command or POSIX::_exit(127);
    }
    $self->{pid} = $pid;
    my $end = time + 20;
    while (time < $end) {
        if (read_file("$self->{dir}/out") =~ /"url":"(http:[^"]+)"/) {
            $self->{url} = $1;
            ($self->{port}) = $1 =~ /:(\d+)$/;
            return 1;
        }
        last if waitpid($pid, POSIX::WNOHANG()) == $pid;
        sleep 0.02;
    }
    print "# the server did not start:\n", map { "# $_\n" } split /\n/, $self->log;
    return 0;
}

# Runs a server that is expected to refuse; gives exit status and what it said.
sub refused { my ($self, @command) = @_;
    my $pid = open(my $f, '-|') // die "fork: $!";
    if ($pid == 0) {
        open STDERR, '>&', \*STDOUT;
        alarm 10;
        exec { $command[0] } @command or POSIX::_exit(127);
    }
    local $/;
    my $text = <$f> // '';
    close $f;
    return ($? >> 8, $text);
}

sub read_file { my ($path) = @_;
    open my $f, '<:raw', $path or return '';
    local $/;
    return <$f> // '';
}

sub log { return read_file("$_[0]{dir}/log") }

# Ends the server with a signal; gives the wait status.
sub stop { my ($self, $signal) = @_;
    return unless $self->{pid};
    kill $signal // 'TERM', $self->{pid};
    waitpid $self->{pid}, 0;
    delete $self->{pid};
    return $?;
}

# One request. body: bytes, or a reference that becomes JSON. Gives (answer, status, headers); JSON answers are decoded.
sub call { my ($self, $method, $path, $body, %headers) = @_;
    my $http = HTTP::Tiny->new(timeout => 60, keep_alive => 0, default_headers => \%headers,
        agent => 'test', max_redirect => 0);
    $path = "/api/v1$path" unless $path =~ s/^!//;
    my $r = $http->request($method, $self->{url} . $path,
        defined $body ? { content => ref $body ? $json->encode($body) : $body } : {});
    my $type = $r->{headers}{'content-type'} // '';
    my $data = $type =~ /json/ ? eval { $json->decode($r->{content}) } : $r->{content};
    return wantarray ? ($data, $r->{status}, $r->{headers}) : $data;
}

sub get { my ($self, $path, %headers) = @_;
    return $self->call('GET', $path, undef, %headers);
}

sub post { my ($self, $path, $body, %headers) = @_;
    return $self->call('POST', $path, $body, %headers);
}

# "status type field" of a request that must fail: one string to compare.
sub fails { my ($self, @request) = @_;
    my ($data, $status, $headers) = $self->call(@request);
    return "$status without a problem" unless ref $data eq 'HASH' && $data->{type};
    return "$status in the body: $data->{status}" if $data->{status} != $status;
    return "$status $headers->{'content-type'}" if $headers->{'content-type'} ne 'application/problem+json';
    return join ' ', $status, $data->{type}, $data->{field} // ();
}

# Sends bytes as they are and gives all that comes back until the server closes or the time is up.
sub raw { my ($self, $bytes, $limit_s) = @_;
    my $s = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $self->{port}, Timeout => 5) or return '';
    local $SIG{PIPE} = 'IGNORE';
    print $s $bytes;
    $s->flush;
    my ($got, $end) = ('', time + ($limit_s // 5));
    my $want = '';
    vec($want, fileno $s, 1) = 1;
    while (time < $end && select(my $ready = $want, undef, undef, 0.1) >= 0) {
        next unless vec($ready, fileno $s, 1);
        my $n = sysread $s, $got, 65536, length $got;
        last unless $n;
    }
    return $got;
}

sub upload { my ($self, $name, $seed) = @_;
    return scalar $self->post("/models?name=$name", network($name, $seed));
}

sub submit { my ($self, %campaign) = @_;
    my ($c, $status) = $self->post('/campaigns', { boards => [$BOARD], %campaign });
    return $c if $status == 201;
    print "# campaign refused: $status ", $json->encode($c // {}), "\n";
    return;
}

# --- the fake agent ---

sub lease { my ($self, %o) = @_;
    return $self->post('/agent/lease', { agent => $o{agent} // 'host-1', wait_s => $o{wait_s} // 0,
        rigs => [{ name => $o{rig} // 'rig-1', board => $o{board} // $BOARD }] });
}

# A correct report about a leased job; the test changes what it wants to be wrong.
sub report { my ($self, $lease, %change) = @_;
    my $job      = $self->get("/jobs/$lease->{job}");
    my $campaign = $self->get("/campaigns/$job->{campaign}");
    my $model    = $self->get("/models/$job->{model}");
    my $report   = {
        lease => $lease->{lease}, attempt => $lease->{attempt},
        hello => { proto => 1, board => $job->{board}, firmware => 'ab' x 20, program => $lease->{program_crc32},
            program_bytes => $lease->{program_bytes}, clock_hz => 200000000, kernels => 'generic', arena_limit => 500000,
            emulated => JSON::PP::true, timing => 'test', timing_version => 1 },
        runs   => [map { { cycles => 1000000 + $_, instructions => '900000' } } 1 .. $lease->{repeats}],
        blocks => [{ i => 0, cycles => 600000 }],
        profile => { layers => [map { { i => $_, calls => 10, cycles => 300000, instructions => '250000' } } 0, 1],
            interpreter => { calls => 20, cycles => '1234', instructions => 1000 } },
        mem    => { arena => $job->{predicted}{arena_bytes}, arena_size => 500000, stack => 900, static => 4000,
            code => 30000 },
        out => { bytes => $model->{output}{bytes}, crc32 => $campaign->{output_crc32}, head => [1, 2] },
    };
    for my $path (keys %change) {
        my @steps = split /\./, $path;
        my $last  = pop @steps;
        my $at    = $report;
        $at = $at->{$_} for @steps;
        $at->{$last} = $change{$path};
    }
    return $report;
}

sub result { my ($self, $lease, %change) = @_;
    return $self->post("/agent/jobs/$lease->{job}/result", $self->report($lease, %change));
}

sub failure { my ($self, $lease, $type) = @_;
    return $self->post("/agent/jobs/$lease->{job}/failure",
        { lease => $lease->{lease}, attempt => $lease->{attempt}, type => $type, detail => 'a test says so' });
}

# Measures everything that is queued for the board, correctly. Gives the number of jobs.
sub measure_all { my ($self, %o) = @_;
    my $n = 0;
    while (1) {
        my ($lease, $status) = $self->lease(%o);
        return $n if $status == 204;
        my ($verdict) = $self->result($lease);
        return -1 if ($verdict->{verdict} // '') ne 'match';
        $n++;
    }
}

sub wait_until { my ($self, $limit_s, $test) = @_;
    my $end = time + $limit_s;
    while (time < $end) {
        my $got = $test->();
        return $got if $got;
        sleep 0.05;
    }
    return;
}

1;
