#!/bin/sh
# Makes the namespace default, unless it is there.
set -eu
until temporal operator cluster health; do sleep 1; done
temporal operator namespace describe --namespace default >/dev/null 2>&1 ||
	temporal operator namespace create --namespace default --retention 30d
