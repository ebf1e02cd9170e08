# One case of FeTA 2024, by environment or shell variables:
#
#   t2w_image     the volume
#   participants  participants.tsv, for the gestational age       (optional)
#   output_seg    where the label map goes                        (optional)
#   output_biom   where the lengths go, tab-separated             (optional)
#   output_landm  where the image of the landmarks goes           (optional)
#
# To be run (bash src/inference.sh) or sourced, as often as one likes, whatever the caller's options and IFS: it sets no
# variable, function or option, changes no folder, leaves the standard input of the caller's loop alone and never
# exits. Its status is that of the case: 0 fine, 1 the case failed, 2 the call cannot be used.
if [ -z "${t2w_image:-}" ]; then
  echo "src/inference.sh: t2w_image is not set; name the T2w volume" >&2
  (exit 2)
else
  feta-infer case "--image=$t2w_image" \
    ${participants:+"--participants=$participants"} \
    ${output_seg:+"--seg=$output_seg"} \
    ${output_biom:+"--biom=$output_biom"} \
    ${output_landm:+"--landm=$output_landm"} </dev/null
fi
