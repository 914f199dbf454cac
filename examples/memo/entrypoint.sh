#!/bin/sh
# As many entry points do: the shell stays in front of the program and takes no notice of being asked to end.
trap '' TERM
"$@"
