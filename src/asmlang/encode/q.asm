bits 64
extern ext










vp2intersectd k0, zmm1, zmm2
vp2intersectd k0+1, zmm1, zmm2
vp2intersectd k0+1, zmm1, [rbx]

vp2intersectd k0+1, xmm1, oword [rbx]
v4fmaddps zmm1, zmm4+3, [rbx]
v4fmaddps zmm1, zmm4+3, oword [rbx]
v4fmaddps zmm1{k1}, zmm4+3, oword [rbx]





