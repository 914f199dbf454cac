"""Source → artifact: bundle, digest, leak scan, content-addressed OCI store."""
