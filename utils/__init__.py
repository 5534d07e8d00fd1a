"""What the notebooks import. Small on purpose: read it.

lab      what a notebook starts with: profile, seed, device, progress, checkpoints
expect   assertions that teach
data     data sets by name: numpy arrays or text, verified
zoo      pretrained models, verified
plot     one figure style, with alt text
graph    a computational graph as boxes and arrows
explore  interactive figures that also render without a live front end
progress what a student has passed and measured, in a file of their own
progress_map  that as a picture and a table
own      a student's own code, carried to later weeks
nn       textbook code: what one week builds and later weeks use
generate text from a language model, as a command; built in week 9
"""
