#!/bin/bash
# answers.sh HOST PORT: whether the service there is ready; a container's health check. (Debian's static busybox cannot look
# names up, and a Node takes longer to start than to ask.)
exec 3<>"/dev/tcp/$1/$2" || exit 1
printf 'GET /ready HTTP/1.0\r\nHost: %s\r\n\r\n' "$1" >&3
read -r -t 5 _ status _ <&3 && [ "$status" = 200 ]
