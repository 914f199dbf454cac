"""HTTP probes, smoke steps, the judging of commands and jobs, the prober."""
