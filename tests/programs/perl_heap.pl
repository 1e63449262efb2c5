# Allocation-heavy work for the perl test: strings that grow, hashes, regular expressions, sorting,
# closures, and interpreter threads (each clones the whole interpreter, a burst of small blocks).
use strict;
use warnings;
use threads;
use Thread::Queue;
use Digest::SHA qw(sha256_hex);
use Storable qw(freeze thaw);

my $state = 12345;
sub next_number { return $state = ($state * 1103515245 + 12345) & 0x7fffffff; }

sub hash_churn {
    my ($rounds) = @_;
    my %kept;
    for my $i (1 .. $rounds) {
        my $key = "key" . (next_number() >> 8) % 20000;
        $kept{$key} .= "v$i-" . "y" x ((next_number() >> 8) % 60);
        delete $kept{"key" . (next_number() >> 8) % 20000} if $i % 3 == 0;
    }
    return sha256_hex(join "\n", map { "$_=$kept{$_}" } sort keys %kept);
}

sub string_growth {
    my $text = '';
    $text .= chr(97 + $_ % 26) x ($_ % 17) for 1 .. 150_000;
    my $count = () = $text =~ /([a-e]+)([^a-e]{3,9})/g;
    (my $changed = $text) =~ s/(b+)(c+)/<$2$1>/g;
    return "$count " . sha256_hex($changed);
}

sub structures {
    my $tree = {};
    for my $i (1 .. 30_000) {
        my $node = $tree;
        $node = $node->{$_} //= {} for split //, sprintf '%05d', $i;
        $node->{leaf} = [map { $i * $_ } 1 .. 3];
    }
    my $copy = thaw(freeze($tree));
    local $Storable::canonical = 1;
    return sha256_hex(freeze($copy));
}

# Blocks made in the main thread end in a worker, and the other way round.
sub thread_batch {
    my ($batch) = @_;
    my ($work, $done) = (Thread::Queue->new, Thread::Queue->new);
    my @workers = map {
        threads->create(sub {
            while (defined(my $item = $work->dequeue)) {
                $done->enqueue(sha256_hex(join ',', map { "$item:$_" } 1 .. 200));
            }
        });
    } 1 .. 4;
    $work->enqueue(map { "batch$batch-$_-" . 'z' x ($_ * 10) } 1 .. 150);
    $work->end;
    $_->join for @workers;
    $done->end;
    my @results;
    while (defined(my $item = $done->dequeue)) { push @results, $item; }
    return sha256_hex(join ',', sort @results);
}

print 'hash ', hash_churn(400_000), "\n";
print 'string ', string_growth(), "\n";
print 'structures ', structures(), "\n";
print "threads $_ ", thread_batch($_), "\n" for 1 .. 6;
