#!/bin/bash
# All cases of FeTA 2024, by environment variables: bids_input (the BIDS tree), teamname, participants (its table,
# optional). Results go to $bids_input/derivatives/predictions/$teamname/sub-XXX/anat/. The model is loaded once.
for name in bids_input teamname; do
  [[ -n ${!name:-} ]] || { echo "scripts/run_test.sh: $name is not set; set bids_input and teamname" >&2; exit 2; }
done
exec feta-infer challenge-2024 "$bids_input" "--team=$teamname" ${participants:+"--participants=$participants"}
