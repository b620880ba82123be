import jax, jax.numpy as jnp, pytest
import astrojax as aj
@pytest.mark.parametrize("dtype",[jnp.float32,jnp.float64])
@pytest.mark.parametrize("build",[aj.AstrocyteMemory,aj.HopfieldMemory,aj.DenseMemory,aj.NeuronAstrocyteMemory,aj.ModernHopfieldMemory])
def test_all(build,dtype):
    X=aj.random_patterns(jax.random.key(0),num_neurons=12,num_patterns=6).astype(dtype)
    m=build(X); q=aj.flip(jax.random.key(1),X[:,0],2)
    r=aj.retrieve(m,q,t1=5.0,ts=[1.0,2.0],convergence_speed=1e-2)
    assert r.x.dtype==dtype and int(r.status)==0
    assert m.energy_rate(r.state)<=0
    g=jax.grad(lambda s: aj.retrieve(build(X,slope=s),q,t1=5.0).x.sum())(jnp.asarray(5.0,dtype))
    _,t=jax.jvp(lambda s: aj.retrieve(build(X,slope=s),q,t1=5.0).x.sum(),(jnp.asarray(5.0,dtype),),(jnp.asarray(1.0,dtype),))
    assert abs(g-t)<1e-2*abs(g)+1e-3
    jax.jit(jax.vmap(lambda q: aj.retrieve(m,q,t1=5.0).x))(X.T)
