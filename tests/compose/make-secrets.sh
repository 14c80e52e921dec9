#!/bin/sh
# Write random secrets for docker-compose.yml into ./secrets or another folder: sh make-secrets.sh [FOLDER]
# A secret that exists is kept, so running it again is safe.
set -eu
folder=${1:-$(dirname "$0")/../../secrets}
mkdir -p "$folder"
# The folder keeps other people of this machine out; its files are readable, for the containers' users own nothing here.
chmod 0700 "$folder"
cd "$folder"
umask 022

random() { head -c 32 /dev/urandom | base64 | tr -d '\n'; }    # 32 bytes
password() { random | tr '+/' '-_' | tr -d '='; }              # the same, fit for an address
keep() { [ -s "$1" ] || { printf '%s\n' "$2" >"$1.new" && mv "$1.new" "$1" && echo "made $folder/$1"; }; }

keep postgres_password "$(password)"
keep tuneplane_admin_database_url "postgresql+psycopg://postgres:$(cat postgres_password)@postgres:5432/tuneplane"
keep tuneplane_database_url "postgresql+psycopg://tp_app:$(password)@postgres:5432/tuneplane"
keep valkey.conf "requirepass $(password)"
keep tuneplane_broker_url "redis://:$(sed -n 's/^requirepass //p' valkey.conf)@valkey:6379/0"
keep tuneplane_key_pepper "$(random)"
keep tuneplane_master_key "$(random)"
