#!/bin/sh
# The network in which inside_*.py run: alone in it, they may have addresses that are somebody's out there, and ones of
# every sort that no relay may send to. Nothing leaves it.
set -eu
ip link set lo up
ip link add here type veth peer name there
ip link set there up
ip link set here up
for address in 5.5.5.1/24 5.5.5.2/24 10.99.0.1/24 169.254.169.254/32 100.100.100.200/32 192.168.7.1/24; do
    ip address add "$address" dev here
done
for address in 2600:5::1/64 2600:5::2/64 fd99::1/64; do
    ip -6 address add "$address" dev here nodad
done
ip route add default via 5.5.5.254 dev here src 5.5.5.1
ip -6 route add default via 2600:5::fe dev here src 2600:5::1
exec "$@"
