package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"packhouse/cmd/packhouse/cli"
	"packhouse/server/admin"
	"packhouse/server/reference"
)

func newStoreDelete(a *cli.App) *cobra.Command {
	var (
		o     storeOptions
		force bool
	)
	cmd := &cobra.Command{
		Use:   "delete REPOSITORY@DIGEST [CONFIG]",
		Short: "Delete a manifest or a blob of a repository",
		Long: `delete removes a manifest with the tags that point to it, or a blob, from a repository. It works if
storage.delete.enabled is false, too. Garbage collection frees the space. Like the registry, delete refuses what an
image with a tag needs: its config, its layers, and the parts of an index. --force deletes that as well; pulls of the
image then fail until the content is pushed again.`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := parseDeletion(args[0])
			if err != nil {
				return cli.UsageError(err)
			}
			r.Force = force
			return withKeeper(a, cmd, o, args[1:], func(ctx context.Context, k keeper) error {
				deletion, err := k.Delete(ctx, r)
				if err != nil {
					return err
				}
				if o.json {
					if err := a.PrintJSON(deletion); err != nil {
						return err
					}
				}
				if !deletion.Deleted {
					return cli.WithHint(fmt.Errorf("tag %s of %s needs the %s %s", deletion.Tag, r.Repository, deletion.Kind, r.Digest),
						"delete the tag first, or use --force to break the image")
				}
				if !o.json {
					fmt.Fprintf(a.Stdout, "deleted %s %s from %s\n", deletion.Kind, r.Digest, r.Repository)
				}
				return nil
			})
		},
	}
	o.add(a, cmd)
	cmd.Flags().BoolVar(&force, "force", false, "delete content that a tag needs")
	return cmd
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
