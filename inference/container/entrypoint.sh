#!/bin/bash
# Starts what the container was asked for, as the owner of the folder that results go to.
#
#   no argument             the image's program on /input and /output (or on the layout of 2021, or of Grand Challenge,
#                           where that is mounted)
#   a program (bash, …)     that program, as given
#   anything else           arguments of the image's program: --help, score /truth /submissions /report, IN OUT (as
#                           fetpype calls), BIDS OUT participant (as BIDS apps are called), …
#
# Runs below tini, which passes SIGTERM on to the whole group. Reads no file of the user before it has changed user.
set -u

# The folder that results go to, or its nearest parent that exists: FETA_OUTPUT, the variables of the challenge, the
# last argument that is an absolute path and no option's value, /output.
output_folder() {
  local folder=${FETA_OUTPUT:-} argument previous=
  if [[ -z $folder ]]; then
    if [[ -n ${output_seg:-} || -n ${output_biom:-} || -n ${output_landm:-} ]]; then
      folder=$(dirname "${output_seg:-${output_biom:-$output_landm}}")
    elif [[ -n ${bids_input:-} ]]; then
      folder=$bids_input/derivatives/predictions/${teamname:-}
    else
      folder=/output
      for argument in "$@"; do
        [[ $argument == /* && $previous != -* && -z $(type -P "$argument") ]] && folder=$argument
        previous=$argument
      done
    fi
  fi
  while [[ ! -d $folder && $folder == */* && $folder != / ]]; do folder=$(dirname "$folder"); done
  printf '%s' "$folder"
}

program=${FETA_PROGRAM:?}
if [[ $# -eq 0 ]]; then
  case $program in
    feta-infer)
      if [[ -d /input_img && ! -d /input ]]; then set -- feta-infer challenge-2021
      elif [[ -f /input/inputs.json ]]; then set -- feta-infer grand-challenge
      else set -- feta-infer /input /output; fi ;;
    *) set -- "$program" --help ;;
  esac
elif [[ $1 == -* || -z $(type -P -- "$1") ]]; then
  set -- "$program" "$@"
fi

# As root, go on as the owner of the output folder, so that results belong to who asked for them. Where the container
# has no right to change user (--cap-drop ALL, rootless engines), and where --user was given, go on as is.
as_owner=()
if [[ $EUID -eq 0 ]] && owner=$(stat -c '%u:%g' -- "$(output_folder "$@")" 2>/dev/null) && [[ ${owner%:*} -ne 0 ]]; then
  drop=(setpriv --reuid "${owner%:*}" --regid "${owner#*:}" --clear-groups)
  "${drop[@]}" true 2>/dev/null && as_owner=("${drop[@]}")
fi
# An older processor than the image's loops were compiled for (AVX2) compiles its own.
grep -qw avx2 "${FETA_CPUINFO:-/proc/cpuinfo}" 2>/dev/null || unset NUMBA_CPU_NAME NUMBA_CPU_FEATURES
# What the image compiled beforehand, to where it may be added to.
[[ -d /opt/numba && ! -e ${NUMBA_CACHE_DIR:-} ]] && "${as_owner[@]}" cp -r /opt/numba "$NUMBA_CACHE_DIR" 2>/dev/null
exec "${as_owner[@]}" "$@"
