package blobregistry_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"
	"gocloud.dev/blob"

	"github.com/selfheal-ml/selfheal/registry"
	"github.com/selfheal-ml/selfheal/registry/blobregistry"
)

// client returns the client of the server and the real names of its bucket and of a prefix;
// false if the store is no server.
func client(t *testing.T, b *blob.Bucket) (c *s3.Client, bucket, prefix string, ok bool) {
	if !b.As(&c) {
		return nil, "", "", false
	}
	var in *s3.ListObjectsV2Input
	_, _, err := b.ListPage(t.Context(), blob.FirstPageToken, 1, &blob.ListOptions{BeforeList: func(as func(any) bool) error {
		as(&in)
		return nil
	}})
	require.NoError(t, err)
	return c, aws.ToString(in.Bucket), aws.ToString(in.Prefix), true
}

// uploads returns how many uploads by parts lie unfinished below what the bucket shows; 0
// if the store knows none.
func uploads(t *testing.T, b *blob.Bucket) int {
	c, bucket, prefix, ok := client(t, b)
	if !ok {
		return 0
	}
	out, err := c.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: &bucket, Prefix: &prefix})
	require.NoError(t, err)
	return len(out.Uploads)
}

// leaveUpload leaves an upload behind, as a process does that dies, and returns how many.
func leaveUpload(t *testing.T, b *blob.Bucket, key string) int {
	c, bucket, prefix, ok := client(t, b)
	if !ok {
		return 0
	}
	key = prefix + key
	up, err := c.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: &bucket, Key: &key})
	require.NoError(t, err)
	_, err = c.UploadPart(t.Context(), &s3.UploadPartInput{Bucket: &bucket, Key: &key, UploadId: up.UploadId, PartNumber: aws.Int32(1), Body: strings.NewReader("part")})
	require.NoError(t, err)
	return 1
}

// Environment of a process that a test starts.
const (
	asRole   = "SELFHEAL_TEST_ROLE"
	asPrefix = "SELFHEAL_TEST_PREFIX"
	asSize   = "SELFHEAL_TEST_SIZE"
)

// TestProcess is what the processes run that other tests start.
func TestProcess(t *testing.T) {
	switch os.Getenv(asRole) {
	case "work":
		work(t)
	case "upload":
		upload(t)
	}
}

func process(t *testing.T, role string, env ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], "-test.run=^TestProcess$", "-test.v")
	cmd.Env = append(os.Environ(), append(env, asRole+"="+role)...)
	return cmd
}

const shortTTL = 600 * time.Millisecond

// note is the body of an entry of a worker.
type note struct{ Holder string }

// work takes the lease again and again, and appends entries with its token while it has it.
// It relies on nothing but the fence: it goes on until it is told that it lost the lease.
func work(t *testing.T) {
	b := open(t, openServer(t, os.Getenv(asPrefix)))
	lease, chain, holder := b.Lease("m"), registry.NewChain(b.Log("m")), strconv.Itoa(os.Getpid())
	ctx := t.Context()
	for {
		token, err := lease.Acquire(ctx, holder, shortTTL)
		require.NoError(t, err)
		if token == 0 {
			time.Sleep(shortTTL / 10)
			continue
		}
		renewed := time.Now()
		for rest := 5 + rand.IntN(40); rest > 0; rest-- {
			if time.Since(renewed) > shortTTL/3 {
				renewed = time.Now()
				if held, err := lease.Renew(ctx, holder, token, shortTTL); err != nil || !held {
					require.NoError(t, err)
					break
				}
			}
			err := add(ctx, chain, token, note{holder})
			if errors.Is(err, registry.ErrFenced) {
				break
			}
			require.NoError(t, err)
		}
		require.NoError(t, lease.Release(ctx, holder, token))
	}
}

func add(ctx context.Context, chain *registry.Chain, token uint64, n note) error {
	body, err := json.Marshal(n)
	if err != nil {
		return err
	}
	for {
		if err := chain.CatchUp(ctx, func(registry.Link) error { return nil }); err != nil {
			return err
		}
		if _, done, err := chain.Append(ctx, token, body); err != nil || done {
			return err
		}
	}
}

// Eight processes share a lease and a log, and one of them is stopped at any instruction,
// for longer than its lease or for less, again and again: no token has two holders, and no
// entry follows one with a higher token.
func TestStoppedProcesses(t *testing.T) {
	needServer(t)
	prefix := "test/" + strings.ToLower(fmt.Sprintf("stopped-%d", time.Now().UnixNano())) + "/"
	var workers []*exec.Cmd
	for range 8 {
		cmd := process(t, "work", asPrefix+"="+prefix)
		require.NoError(t, cmd.Start())
		workers = append(workers, cmd)
	}
	stopped := 0
	for end := time.Now().Add(15 * time.Second); time.Now().Before(end); stopped++ {
		w := workers[rand.IntN(len(workers))].Process
		require.NoError(t, w.Signal(syscall.SIGSTOP))
		time.Sleep(100*time.Millisecond + rand.N(900*time.Millisecond))
		require.NoError(t, w.Signal(syscall.SIGCONT))
		time.Sleep(50 * time.Millisecond)
	}
	for _, w := range workers {
		require.NoError(t, w.Process.Kill(), "it has not ended by itself")
		_, err := w.Process.Wait()
		require.NoError(t, err)
	}

	b := open(t, openServer(t, prefix))
	holders, last, n := make(map[uint64]string), uint64(0), 0
	require.NoError(t, registry.NewChain(b.Log("m")).CatchUp(t.Context(), func(l registry.Link) error {
		var body note
		require.NoError(t, json.Unmarshal(l.Body, &body))
		require.GreaterOrEqual(t, l.Token, last, "entry %d is stale", l.Seq)
		if other, ok := holders[l.Token]; ok {
			require.Equal(t, other, body.Holder, "token %d has two holders", l.Token)
		}
		holders[l.Token], last = body.Holder, l.Token
		n++
		return nil
	}))
	distinct := make(map[string]bool)
	for _, h := range holders {
		distinct[h] = true
	}
	t.Logf("%d pauses, %d entries by %d tokens of %d processes", stopped, n, len(holders), len(distinct))
	require.Greater(t, len(distinct), 4, "the lease did not go from one to the other")
}

// A large artifact is stored and read in memory that does not grow with it: 256 MiB, or as
// many as SELFHEAL_S3_MIB says.
func TestLargeArtifact(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector takes memory that grows with the artifact: run it without")
	}
	needServer(t)
	size := os.Getenv("SELFHEAL_S3_MIB")
	if size == "" {
		size = "256"
	}
	out, err := process(t, "upload", asPrefix+"=test/"+strings.ToLower(fmt.Sprintf("large-%d", time.Now().UnixNano()))+"/", asSize+"="+size).CombinedOutput()
	require.NoError(t, err, string(out))
	t.Log(string(out))
}

func upload(t *testing.T) {
	mib, err := strconv.ParseInt(os.Getenv(asSize), 10, 64)
	require.NoError(t, err)
	b := open(t, openServer(t, os.Getenv(asPrefix)))
	reg := b.Registry("m")
	before := peak(t)
	began := time.Now()
	v, err := reg.Register(t.Context(), registry.Draft{Key: "large"}, io.LimitReader(endless{}, mib<<20))
	require.NoError(t, err)
	stored, written := time.Since(began), peak(t)
	began = time.Now()
	r, err := reg.Open(t.Context(), v.ID, registry.ModelFile)
	require.NoError(t, err)
	n, err := io.Copy(io.Discard, r)
	require.NoError(t, err)
	require.NoError(t, r.Close())
	require.Equal(t, mib<<20, n)
	t.Logf("%d MiB stored in %v, read in %v; peak RSS %d MiB before, %d when stored, %d when read", mib, stored, time.Since(began), before, written, peak(t))
	require.Less(t, peak(t)-before, int64(150), "MiB of memory")
	require.NoError(t, b.Blobs("m").Delete(t.Context(), v.Files[0].Blob))
}

// peak returns the most memory that the process ever had, in MiB.
func peak(t *testing.T) int64 {
	status, err := os.ReadFile("/proc/self/status")
	require.NoError(t, err)
	_, rest, ok := strings.Cut(string(status), "VmHWM:")
	require.True(t, ok)
	var kib int64
	_, err = fmt.Sscan(rest, &kib)
	require.NoError(t, err)
	return kib >> 10
}

func BenchmarkServer(b *testing.B) {
	needServer(b)
	bucket, err := blobregistry.Open(b.Context(), openServer(b, fmt.Sprintf("test/bench-%d/", time.Now().UnixNano())), blobregistry.Config{})
	require.NoError(b, err)
	l := bucket.Log("m")
	seq := uint64(0)
	b.Run("append", func(b *testing.B) {
		for b.Loop() {
			seq++
			done, err := l.Append(b.Context(), seq, make([]byte, 1000))
			require.NoError(b, err)
			require.True(b, done)
		}
	})
	for ; seq < 1000; seq++ {
		_, err := l.Append(b.Context(), seq+1, make([]byte, 1000))
		require.NoError(b, err)
	}
	b.Run("read=1000", func(b *testing.B) {
		for b.Loop() {
			for _, err := range bucket.Log("m").Read(b.Context(), seq-1000) {
				require.NoError(b, err)
			}
		}
	})
	b.Run("poll", func(b *testing.B) {
		for b.Loop() {
			for range l.Read(b.Context(), seq) {
				b.Fatal("there is nothing to read")
			}
		}
	})
}
