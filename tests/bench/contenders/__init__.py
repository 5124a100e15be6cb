"""What trio-mirror is compared with: each script does the whole job, as somebody would write it in an afternoon."""
