package blobregistry

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"gocloud.dev/blob"
)

// Sweep removes remains of died processes that no reader sees: uploads of artifacts that
// began more than olderThan ago, and small objects of [Open] and of leases. It returns how
// many it removed. Sweep ends uploads that are under way, so olderThan must exceed the
// longest upload plus the difference between the clocks of this process and the store; a day
// is a good choice. A store with another protocol than S3 discards uploads by itself.
func (b *Bucket) Sweep(ctx context.Context, olderThan time.Duration) (removed int, err error) {
	if olderThan <= 0 {
		return 0, fmt.Errorf("blobregistry: sweep: olderThan is %v, want more than 0", olderThan)
	}
	removed, err = b.abort(ctx, "blob/", func(_ string, age time.Duration) bool { return age >= olderThan })
	objects, lerr := b.list(ctx, scratch)
	err = errors.Join(err, lerr)
	for _, o := range objects {
		if time.Since(o.ModTime) < olderThan {
			continue
		}
		if derr := b.delete(ctx, o.Key); derr != nil {
			err = errors.Join(err, derr)
			continue
		}
		removed++
	}
	return removed, err
}

// abort ends uploads of keys with this prefix and returns their number. which selects them by
// the rest of the key and the age. If the store does not speak S3, abort does nothing.
func (b *Bucket) abort(ctx context.Context, prefix string, which func(string, time.Duration) bool) (n int, err error) {
	var client *s3.Client
	if !b.bucket.As(&client) {
		return 0, nil
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("blobregistry: abort uploads: %w", err)
		}
	}()
	// The client does not know the bucket, nor the prefix of a bucket made by PrefixedBucket,
	// but a list request does.
	var list *s3.ListObjectsV2Input
	_, _, err = b.bucket.ListPage(ctx, blob.FirstPageToken, 1, &blob.ListOptions{
		Prefix: prefix,
		BeforeList: func(as func(any) bool) error {
			if !as(&list) {
				return errors.New("the driver uses the first version of the list request")
			}
			return nil
		},
	})
	if err != nil {
		return 0, err
	}
	uploads := s3.NewListMultipartUploadsPaginator(client, &s3.ListMultipartUploadsInput{Bucket: list.Bucket, Prefix: list.Prefix})
	for uploads.HasMorePages() {
		page, err := uploads.NextPage(ctx)
		if err != nil {
			return n, err
		}
		for _, u := range page.Uploads {
			rest := strings.TrimPrefix(aws.ToString(u.Key), aws.ToString(list.Prefix))
			if !which(rest, time.Since(aws.ToTime(u.Initiated))) {
				continue
			}
			_, err := client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: list.Bucket, Key: u.Key, UploadId: u.UploadId})
			var api smithy.APIError
			if errors.As(err, &api) && api.ErrorCode() == "NoSuchUpload" {
				continue // it ended meanwhile
			}
			if err != nil {
				return n, err
			}
			n++
		}
	}
	return n, nil
}
