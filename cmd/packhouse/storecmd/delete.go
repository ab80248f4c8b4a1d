package storecmd

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"packhouse/cmd/packhouse/cli"
	"packhouse/server/admin"
	"packhouse/server/reference"
)

// deleteOptions are the flags and the argument of "store delete".
type deleteOptions struct {
	options
	request admin.DeleteRequest
}

func newDelete(a *cli.App) *cobra.Command {
	o := &deleteOptions{options: options{App: a}}
	force := false
	cmd := &cobra.Command{
		Use:   "delete REPOSITORY@DIGEST [CONFIG]",
		Short: "Delete a manifest or a blob of a repository",
		Long: `Delete a manifest with the tags that point to it, or a blob, from a repository, even if
storage.delete.enabled is false. Garbage collection frees the space. Like the registry, delete refuses
what an image with a tag needs: its config, its layers, and the parts of an index. --force deletes that
as well; pulls of the image then fail until the content is pushed again.`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if o.request, err = parseDeletion(args[0]); err != nil {
				return cli.UsageError(err)
			}
			o.request.Force = force
			return o.withKeeper(cmd, args[1:], o.run)
		},
	}
	o.add(cmd)
	cmd.Flags().BoolVar(&force, "force", false, "delete content that a tag needs")
	return cmd
}

func (o *deleteOptions) run(ctx context.Context, k keeper) error {
	deletion, err := k.Delete(ctx, o.request)
	if err != nil {
		return err
	}
	if o.json {
		if err := o.PrintJSON(deletion); err != nil {
			return err
		}
	}
	if !deletion.Deleted {
		return cli.WithHint(
			fmt.Errorf("tag %s of %s needs the %s %s",
				deletion.Tag, o.request.Repository, deletion.Kind, o.request.Digest),
			"delete the tag first, or use --force to break the image")
	}
	if !o.json {
		fmt.Fprintf(o.Stdout, "deleted %s %s from %s\n", deletion.Kind, o.request.Digest, o.request.Repository)
	}
	return nil
}

// parseDeletion parses REPOSITORY@DIGEST.
func parseDeletion(text string) (admin.DeleteRequest, error) {
	repository, digest, ok := strings.Cut(text, "@")
	if !ok {
		return admin.DeleteRequest{}, fmt.Errorf("%q is not REPOSITORY@DIGEST, such as team/app@sha256:…", text)
	}
	r, err := reference.ParseRepository(repository)
	if err != nil {
		return admin.DeleteRequest{}, err
	}
	d, err := reference.ParseDigest(digest)
	if err != nil {
		return admin.DeleteRequest{}, fmt.Errorf("digest %q: %w", digest, err)
	}
	return admin.DeleteRequest{Repository: r.String(), Digest: d.String()}, nil
}
